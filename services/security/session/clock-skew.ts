import { SallyportError } from '#core/errors/error.ts';

/** How far a device's clock may be off, and how long a repeated message gets the same answer: 5 minutes. */
export const maxSkewMs = 300_000;

/** @throws CLOCK_SKEW with the server's time, by which a device can correct its own. */
export function checkDeviceTime(deviceMs: bigint, nowMs: number): void {
  if (Math.abs(Number(deviceMs) - nowMs) <= maxSkewMs) return;
  throw new SallyportError('CLOCK_SKEW', { metadata: { server_time_ms: String(nowMs) } });
}
