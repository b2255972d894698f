import { parseAddress } from '#core/policy/network.ts';
import type { CallContext } from '#kernel/rpc/handlers.ts';

/**
 * Whose attempts are counted together: the phone's IPv4 address, or the /64 of its IPv6 address, since one
 * subscriber has all of that. Callers inside the mesh are counted by pod.
 */
export function addressOf(call: Pick<CallContext, 'remoteAddress' | 'caller'>): string {
  const { remoteAddress, caller } = call;
  if (remoteAddress === undefined) return `pod ${caller.pod}`;
  const words = parseAddress(remoteAddress);
  if (words === undefined) return remoteAddress;
  const [first, second, third, fourth] = words;
  const isV4 = first === 0 && second === 0 && third === 0xffff;
  return isV4 ? `v4 ${fourth.toString(16)}` : `v6 ${first.toString(16)} ${second.toString(16)}`;
}
