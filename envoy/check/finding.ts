/** The one registry of what `sallyport mesh validate` finds. docs/ERRORS.md lists it. */
export type Severity = 'error' | 'warning' | 'info';

const define = <K extends string>(specs: Record<K, readonly [Severity, string]>) => specs;

/** Code → how bad it is, and what to do. */
export const findingCodes = define({
  // A configuration that is not right
  BOOTSTRAP_REFUSED: ['error', 'correct the knob or the patch; no running sidecar has seen it'],
  RESOURCE_REFUSED: ['error', 'correct the knob or the patch; no running sidecar has seen it'],
  UNKNOWN_CLUSTER: ['error', 'name a cluster that `sallyport mesh render` shows for this pod'],
  UNKNOWN_ROUTES: ['error', 'a listener reads only route configurations that `sallyport mesh render` shows'],
  UNKNOWN_SECRET: ['error', 'name a secret that `sallyport mesh render` shows for this pod'],
  UNKNOWN_ENDPOINTS: ['error', 'an EDS cluster reads the endpoints of its own name, or of its service_name'],
  PEER_NOT_MATCHED: [
    'error',
    'the subject alternative names that a cluster accepts must fit its endpoints’ pods',
  ],
  CALLER_NOT_MATCHED: ['error', 'RBAC names callers by prefixes of this mesh’s trust domain and its roles'],
  CLUSTERS_NOT_CHECKED: ['warning', 'keep validate_clusters, else Envoy takes routes to nowhere'],
  CERTIFICATE_MISSING: ['error', 'the runner issues certificates when the mesh is started'],
  CERTIFICATE_KEY_MISMATCH: [
    'error',
    'certificate and key must be of one pair; start the mesh anew to have both issued',
  ],
  CERTIFICATE_NAME_MISMATCH: [
    'error',
    'the certificate must name the pod; start the mesh anew to have it issued',
  ],
  CERTIFICATE_UNTRUSTED: [
    'error',
    'it is not signed by the roots beside it; start the mesh anew to have it issued',
  ],
  CERTIFICATE_EXPIRED: ['error', 'start the mesh anew: certificates are issued at the start'],
  CERTIFICATE_NEAR_EXPIRY: ['warning', 'the runner renews at half of a life; see what it says in runner.log'],
});
export type FindingCode = keyof typeof findingCodes;

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** The pod concerned; empty for the mesh as a whole. */
  readonly pod: string;
  /** What in it: a resource (`cds/proxy`), a knob (`health.interval`), a file. */
  readonly where: string;
  readonly message: string;
  readonly hint: string;
  /** Patch files that touched the resource. */
  readonly patches?: readonly string[];
}

export const finding = (code: FindingCode, pod: string, where: string, message: string): Finding => {
  const [severity, hint] = findingCodes[code];
  return { code, severity, pod, where, message, hint };
};

const order: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/** The worst first; otherwise as they were found. */
export const worstFirst = (findings: readonly Finding[]): Finding[] =>
  [...findings].sort((a, b) => order[a.severity] - order[b.severity]);
