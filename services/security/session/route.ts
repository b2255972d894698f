import { SallyportError } from '#core/errors/error.ts';
import type { CallContext } from '#kernel/rpc/handlers.ts';

/** What Envoy hashes to find the owner. */
export const routeHeader = 'x-sallyport-route';

/**
 * A message that was routed by another key than its own would be served far from its owner, and throttled
 * as somebody else.
 * @throws ROUTE_MISMATCH
 */
export function checkRoute(call: CallContext, routeKey: string): void {
  if (call.header(routeHeader) !== routeKey) throw new SallyportError('ROUTE_MISMATCH');
}
