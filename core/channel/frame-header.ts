import { concat, lp } from './bytes.ts';
import { aeadNonceBytes, epochBytes } from './constants.ts';

/**
 * Nonce and associated data of the frames of one attachment, written in place: the hot path
 * allocates neither. Associated data = lp(session id) ‖ epoch ‖ sequence (8) ‖ type (1), and for
 * responses and stream frames ‖ bound (8). The views are good until the next `set`.
 */
export class FrameHeader {
  readonly nonce = new Uint8Array(aeadNonceBytes);
  readonly #nonceView = new DataView(this.nonce.buffer);
  readonly #long: Uint8Array;
  readonly #short: Uint8Array;
  readonly #view: DataView;
  readonly #sequenceAt: number;

  constructor(sessionId: string, epoch: Uint8Array) {
    if (epoch.length !== epochBytes) throw new RangeError('an epoch has 16 bytes');
    const fixed = concat(lp(sessionId), epoch);
    this.#sequenceAt = fixed.length;
    this.#long = concat(fixed, new Uint8Array(17));
    this.#short = this.#long.subarray(0, fixed.length + 9);
    this.#view = new DataView(this.#long.buffer);
  }

  /** Writes one frame's numbers (below 2^53) and returns its associated data. */
  set(sequence: number, type: number, bound: number | undefined): Uint8Array {
    const at = this.#sequenceAt;
    const high = Math.floor(sequence / 2 ** 32);
    const low = sequence >>> 0;
    this.#nonceView.setUint32(4, high);
    this.#nonceView.setUint32(8, low);
    this.#view.setUint32(at, high);
    this.#view.setUint32(at + 4, low);
    this.#view.setUint8(at + 8, type);
    if (bound === undefined) return this.#short;
    this.#view.setUint32(at + 9, Math.floor(bound / 2 ** 32));
    this.#view.setUint32(at + 13, bound >>> 0);
    return this.#long;
  }
}
