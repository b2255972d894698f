/** The one registry of what `sallyport mesh validate` and `mesh analyze` find. docs/ERRORS.md lists it. */
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
  // A mesh that is not well
  SIDECAR_SILENT: ['error', '`sallyport status` tells whether it runs, `sallyport logs <pod>` why not'],
  CONFIG_NACK: [
    'error',
    'the sidecar goes on with what it had; `sallyport mesh validate` finds what is wrong',
  ],
  CONFIG_STALE: ['error', 'the sidecar has not taken what is on disk; look again, then at its envoy.log'],
  CONFIG_DRIFT: [
    'warning',
    '`sallyport mesh diff` shows what differs from the file that the mesh was started with',
  ],
  RESTART_NEEDED: ['warning', 'the bootstrap is read at the start only: restart the pod'],
  ENVOY_VERSIONS: ['warning', 'restart what is behind, so that all sidecars are of one version'],
  ENDPOINT_UNHEALTHY: [
    'warning',
    '`sallyport status` and `sallyport logs <pod>` tell about the pod behind it',
  ],
  ENDPOINT_EJECTED: [
    'warning',
    'it dropped connections; it comes back by itself after outlier.ejection_time',
  ],
  PANIC: ['error', 'fewer pods are up than panic_threshold, so health is ignored: bring pods back'],
  NO_HEALTHY_ENDPOINT: ['error', 'no pod can be reached: bring one back'],
  BREAKER_OPEN: [
    'error',
    'calls are refused at the limit: find what is slow, then raise the knob of connections',
  ],
  BREAKER_NEAR: ['warning', 'find out what is slow before raising the knob of connections that is named'],
  BREAKER_OVERFLOWED: ['info', 'calls were refused at a limit since the sidecar was started'],
  POD_DRAINING: ['info', 'it gets no new calls; `sallyport undrain` gives it some again'],
  // Knobs and a topology that will hurt
  SINGLE_POINT: ['warning', 'have at least two, on two hosts'],
  ONE_HOST: ['info', 'put the pods of a tier on several hosts, each a failure domain'],
  QUORUM: ['warning', 'have an odd number of database nodes, three or more'],
  HEALTH_FLAPS: ['warning', 'health.interval of 500ms or more does not flap on a busy machine'],
  HEALTH_OVERLAP: ['warning', 'health.timeout must be shorter than health.interval'],
  PANIC_OFF: [
    'warning',
    'with panic_threshold 0 a flapping check answers "no healthy upstream" to everybody',
  ],
  SLOW_DETECTION: [
    'warning',
    'a pod is missed only after unhealthy_threshold × interval; a lease lasts 10 s',
  ],
  TRY_OUTLASTS_LEASE: [
    'warning',
    'retries must end before a lease of 10 s does: lower attempts or per_try_timeout',
  ],
  NO_TRY_TIMEOUT: ['info', 'without retries.per_try_timeout hung pods are found by keepalive alone'],
  KEEPALIVE_SLOW: ['warning', 'a hung host holds calls for keepalive_interval + keepalive_timeout'],
  KEEPALIVE_OVERLAP: ['warning', 'keepalive_timeout must be shorter than keepalive_interval'],
  RETRIES_OFF: ['warning', 'without retries every killed pod costs calls'],
  BUDGET_SMALL: [
    'warning',
    'a budget of 20 per cent overflowed when one of three pods was killed; 50 did not',
  ],
  EJECTS_MANY: ['warning', 'more than half of a tier may be ejected at once, which moves sessions'],
  TABLE_SMALL: ['warning', 'a Maglev table wants 100 places for each pod, and a prime number of them'],
  DATABASE_SLOW: ['warning', 'a failover is noticed only after database.check_interval'],
  EDGE_TIMEOUTS: ['warning', 'edge.exchange_timeout must not be shorter than edge.call_timeout'],
  KEEP_OPEN_LONG: ['warning', 'an unused connection must be closed before the backend closes it (Node: 5s)'],
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
