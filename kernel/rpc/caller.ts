/** Roles that an identity can name: `spiffe://sallyport.internal/<role>/<pod>`. */
export const callerRoles = [
  'edge',
  'proxy',
  'security',
  'gateway',
  'worker',
  'db',
  'backend',
  'service',
  'operator',
] as const;
export type CallerRole = (typeof callerRoles)[number];

/** Who calls, as the mutual TLS of the sidecars has established it. */
export interface Caller {
  /** `unknown` when the call came past no sidecar (a test) or its header is not what a sidecar writes. */
  readonly role: CallerRole | 'unknown';
  /** Name of the pod, or of the operator; empty when unknown. */
  readonly pod: string;
}

export const unknownCaller: Caller = Object.freeze({ role: 'unknown', pod: '' });

const identity = /^spiffe:\/\/sallyport\.internal\/([a-z]+)\/([a-zA-Z0-9][a-zA-Z0-9._@-]{0,63})$/;

/** The identity in a URI SAN, or `unknownCaller`. */
export function callerOfUri(uri: string): Caller {
  const [, role, pod] = identity.exec(uri) ?? [];
  const known = callerRoles.find((each) => each === role);
  return known === undefined || pod === undefined ? unknownCaller : Object.freeze({ role: known, pod });
}

/**
 * The caller by the `x-forwarded-client-cert` header, which our own sidecar sets anew for every request
 * (SANITIZE_SET), so nobody else can have written it. Exactly one element with exactly one URI is
 * believed; whatever else stands there means that the sidecar is set up differently, and names nobody.
 * Format: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert
 */
export function callerOf(header: string | undefined): Caller {
  if (header === undefined) return unknownCaller;
  const known = seen.get(header);
  if (known) return known;
  const uris = header.includes(',') ? [] : header.split(';').filter((pair) => /^uri=/i.test(pair.trim()));
  const [uri] = uris;
  const value = uris.length === 1 && uri ? uri.slice(uri.indexOf('=') + 1).replace(/^"(.*)"$/, '$1') : '';
  const caller = callerOfUri(value);
  // A pod sees the few certificates of its neighbours again and again; the bound is for their rotation.
  if (seen.size >= 1000) seen.clear();
  seen.set(header, caller);
  return caller;
}

const seen = new Map<string, Caller>();
