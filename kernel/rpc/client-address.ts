import { isIP } from 'node:net';
import type { Caller } from './caller.ts';

/**
 * Who called the mesh: its edges write the address of their peer here, and remove what comes in under this
 * name. The same as in envoy/model/headers.ts, on which this layer does not depend.
 */
export const clientAddressHeader = 'x-sallyport-client-address';

/**
 * IP address of the phone. Believed from an edge alone: whoever else sends the header made it up, and
 * `x-forwarded-for` is whatever the phone wrote into it.
 */
export function clientAddress(caller: Caller, header: string | undefined): string | undefined {
  if (caller.role !== 'edge' || header === undefined) return undefined;
  const address = header.trim();
  return isIP(address) === 0 ? undefined : address;
}
