/** The route key of the enrolment, or of the user for people's sessions; Maglev hashes it. From outside or inside. */
export const routeHeader = 'x-sallyport-route';
/** Addresses one security or gateway pod. Inside only. */
export const podHeader = 'x-sallyport-pod';
/** The host that a backend is to see; the egress for backends is addressed by the cluster's name. Inside only. */
export const authorityHeader = 'x-sallyport-authority';
/** Address of the phone as the edge sees it, without port. Set by the edge; to be believed from role edge only. */
export const clientAddressHeader = 'x-sallyport-client-address';
/** Says that the edge lets administrators in. Set by the edge; services/security/authorize/administrators.ts reads it. */
export const adminHeader = 'x-sallyport-admin';
/**
 * Set by a sidecar on its own answer when the call never reached its process (no connection to it): such a
 * call may be sent to another pod whatever it does. Without it a dead process behind a living sidecar looks
 * like any other UNAVAILABLE.
 */
export const unprocessedHeader = 'x-sallyport-unprocessed';

/**
 * Set by a sidecar on any other failure that it answers itself on the way to a backend (a connection that
 * broke, a timeout): the backend may have acted, and this is not its word.
 */
export const localReplyHeader = 'x-sallyport-local-reply';

/**
 * When a call came to the sidecar before a process, seconds since 1970. Set there, by the clock that the process has too:
 * one that was stopped finds calls in its socket of which it cannot tell otherwise how long they have waited.
 */
export const cameHeader = 'x-sallyport-came';

/** Removed at the edge from whatever comes in. x-envoy-* and x-forwarded-client-cert are removed by Envoy there. */
export const innerHeaders = [
  podHeader,
  authorityHeader,
  clientAddressHeader,
  adminHeader,
  unprocessedHeader,
  localReplyHeader,
  'x-forwarded-client-cert',
] as const;
