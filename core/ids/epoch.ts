import { SallyportError } from '#core/errors/error.ts';

/** The number of an attachment. No two attachments ever share one (invariant I2 of the design). */
export interface Epoch {
  /** Begins with a restore or a promotion; u32. */
  era: number;
  /** Number of the security process that gave it, unique within the era; u32. */
  incarnation: number;
  /** Counts within the process; u64. */
  counter: bigint;
}

const u32Max = 0xffff_ffff;
const u64Max = 0xffff_ffff_ffff_ffffn;

/** 16 bytes: era (4), incarnation (4), counter (8), big-endian. Throws INVALID_FIELD when out of range. */
export function encodeEpoch(epoch: Epoch): Uint8Array {
  const fits = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= u32Max;
  if (!fits(epoch.era) || !fits(epoch.incarnation) || epoch.counter < 0n || epoch.counter > u64Max) {
    throw new SallyportError('INVALID_FIELD', { message: 'a part of the epoch is out of range' });
  }
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, epoch.era);
  view.setUint32(4, epoch.incarnation);
  view.setBigUint64(8, epoch.counter);
  return bytes;
}

/** Reads the 16 bytes of an epoch. Throws MALFORMED for another length. */
export function decodeEpoch(bytes: Uint8Array): Epoch {
  if (bytes.length !== 16) throw new SallyportError('MALFORMED', { message: 'an epoch has 16 bytes' });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { era: view.getUint32(0), incarnation: view.getUint32(4), counter: view.getBigUint64(8) };
}
