import type { CallMode } from '../model/access.ts';
import { unprocessedHeader } from '../model/headers.ts';
import { extension, type JsonObject } from '../model/json.ts';
import type { BuildContext } from './context.ts';

// Nothing has been processed: no connection, the stream refused, or lost before it was sent, here or (by the
// header) between the far sidecar and its process.
const neverArrived = 'connect-failure,refused-stream,reset-before-request,retriable-headers';
// The call may run twice. 503 is what UNAVAILABLE is in the Connect protocol, `unavailable` in gRPC.
const mayRunTwice = `${neverArrived},unavailable,reset,retriable-status-codes`;

/** The retry policy of a route, by what kind of call it carries; none for streams. */
export function retryPolicy({ tuning: { retries } }: BuildContext, mode: CallMode): JsonObject {
  if (mode === 'stream' || retries.attempts === 0) return {};
  return {
    retry_policy: {
      ...(mode === 'once'
        ? { retry_on: neverArrived }
        : { retry_on: mayRunTwice, retriable_status_codes: [503] }),
      ...unprocessed,
      num_retries: retries.attempts,
      ...otherHosts(retries.host_attempts),
      retry_back_off: { base_interval: retries.back_off_base, max_interval: retries.back_off_max },
      ...(mode === 'quick' && retries.per_try_timeout !== '0s'
        ? { per_try_timeout: retries.per_try_timeout }
        : {}),
    },
  };
}

/** For requests to backends, of which nobody knows whether they may run twice. */
export function backendRetryPolicy({ tuning: { retries } }: BuildContext, attempts: number): JsonObject {
  if (attempts === 0) return {};
  return {
    retry_policy: {
      retry_on: neverArrived,
      ...unprocessed,
      num_retries: attempts,
      ...otherHosts(retries.host_attempts),
      retry_back_off: { base_interval: retries.back_off_base, max_interval: retries.back_off_max },
    },
  };
}

/**
 * From a sidecar to its own process: once more over a new connection if the old one had just been closed.
 * A process that is not there is for the caller's sidecar to avoid.
 */
export const localRetryPolicy: JsonObject = {
  retry_policy: { retry_on: 'refused-stream,reset-before-request', num_retries: 1 },
};

const unprocessed: JsonObject = { retriable_headers: [{ name: unprocessedHeader, present_match: true }] };

const otherHosts = (attempts: number): JsonObject => ({
  retry_host_predicate: [
    extension(
      'envoy.retry_host_predicates.previous_hosts',
      'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
    ),
  ],
  host_selection_retry_max_attempts: attempts,
});

/** Limits of a cluster: connections, requests, and retries as a share of what is in flight. */
export const circuitBreakers = ({ tuning: { connections, retries } }: BuildContext): JsonObject => ({
  circuit_breakers: {
    thresholds: [
      {
        max_connections: connections.max_connections,
        max_pending_requests: connections.max_pending_requests,
        max_requests: connections.max_requests,
        retry_budget: {
          budget_percent: { value: retries.budget_percent },
          min_retry_concurrency: retries.budget_min_concurrency,
        },
      },
    ],
  },
});
