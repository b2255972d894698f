import { SallyportError } from '#core/errors/error.ts';
import { wipe } from './bytes.ts';
import { frameType, maxSequence } from './constants.ts';
import type { ChannelCrypto } from './crypto.ts';
import { FrameHeader } from './frame-header.ts';
import { ReplayWindow } from './replay-window.ts';

/** One direction of one attachment. */
export interface FrameDirection {
  sessionId: string;
  /** 16 encoded bytes. */
  epoch: Uint8Array;
  /** The direction's traffic key, 32 bytes; it is copied. */
  key: Uint8Array;
}

export interface SealedFrame {
  /** Integer from 0, below 2^48. */
  sequence: number;
  ciphertext: Uint8Array;
}

const closed = () => new SallyportError('ATTACH_REQUIRED', { message: 'this attachment has been given up' });

/** Seals what one side sends in one epoch; owns the sequence numbers, so there is one per key. */
export class FrameSealer {
  readonly #crypto: ChannelCrypto;
  readonly #header: FrameHeader;
  #key: Uint8Array | undefined;
  #next: number;
  #position = 0;

  /** `firstSequence` is for tests of the end of the numbers. */
  constructor(crypto: ChannelCrypto, direction: FrameDirection, firstSequence = 0) {
    this.#crypto = crypto;
    this.#header = new FrameHeader(direction.sessionId, direction.epoch);
    this.#key = Uint8Array.from(direction.key);
    this.#next = firstSequence;
  }

  /** An Exchange request. Throws SEQUENCE_EXHAUSTED after 2^48 frames, ATTACH_REQUIRED after `wipe`. */
  sealRequest(plaintext: Uint8Array): SealedFrame {
    return this.#seal(frameType.request, undefined, plaintext);
  }

  /** The answer to the Exchange request that had this sequence number. Throws as `sealRequest`. */
  sealResponse(requestSequence: number, plaintext: Uint8Array): SealedFrame {
    return this.#seal(frameType.response, requestSequence, plaintext);
  }

  /** The next frame of the attachment's stream. Throws as `sealRequest`. */
  sealStream(plaintext: Uint8Array): SealedFrame {
    const frame = this.#seal(frameType.stream, this.#position, plaintext);
    this.#position++;
    return frame;
  }

  /**
   * As `sealStream`, into `out`, which is 16 bytes longer than the plaintext and does not overlap it. Returns the
   * sequence number.
   */
  sealStreamInto(out: Uint8Array, plaintext: Uint8Array): number {
    const { key, sequence, aad } = this.#begin(frameType.stream, this.#position);
    this.#crypto.aead.sealInto(out, key, this.#header.nonce, aad, plaintext);
    this.#position++;
    return sequence;
  }

  /** Ends the attachment: overwrites the key; whatever is sealed later is refused. */
  wipe(): void {
    wipe(this.#key);
    this.#key = undefined;
  }

  #seal(type: number, bound: number | undefined, plaintext: Uint8Array): SealedFrame {
    const { key, sequence, aad } = this.#begin(type, bound);
    return { sequence, ciphertext: this.#crypto.aead.seal(key, this.#header.nonce, aad, plaintext) };
  }

  #begin(type: number, bound: number | undefined): { key: Uint8Array; sequence: number; aad: Uint8Array } {
    const key = this.#key;
    if (key === undefined) throw closed();
    const sequence = this.#next;
    if (sequence >= maxSequence) throw new SallyportError('SEQUENCE_EXHAUSTED');
    // Counted before sealing: a number that may have met its key is never given again.
    this.#next = sequence + 1;
    return { key, sequence, aad: this.#header.set(sequence, type, bound) };
  }
}

/**
 * Opens what one side receives in one epoch. `sequence` may come as the bigint of a decoded uint64.
 * Throws UNSEALABLE for whatever does not open, REPLAYED for a number that was taken already or is
 * too far behind, ATTACH_REQUIRED after `wipe`. A refused frame changes nothing.
 */
export class FrameOpener {
  readonly #crypto: ChannelCrypto;
  readonly #header: FrameHeader;
  readonly #window = new ReplayWindow();
  #key: Uint8Array | undefined;
  #position = 0;

  constructor(crypto: ChannelCrypto, direction: FrameDirection) {
    this.#crypto = crypto;
    this.#header = new FrameHeader(direction.sessionId, direction.epoch);
    this.#key = Uint8Array.from(direction.key);
  }

  /** An Exchange request. */
  openRequest(sequence: number | bigint, ciphertext: Uint8Array): Uint8Array {
    return this.#open(frameType.request, undefined, sequence, ciphertext);
  }

  /** The answer to one's Exchange request with this sequence number; the answer to another is UNSEALABLE. */
  openResponse(requestSequence: number, sequence: number | bigint, ciphertext: Uint8Array): Uint8Array {
    return this.#open(frameType.response, requestSequence, sequence, ciphertext);
  }

  /**
   * The next frame of the attachment's stream. A stream frame that was left out, doubled, put
   * elsewhere or taken from another stream is UNSEALABLE, and the stream is lost: attach again.
   */
  openStream(sequence: number | bigint, ciphertext: Uint8Array): Uint8Array {
    const plaintext = this.#open(frameType.stream, this.#position, sequence, ciphertext);
    this.#position++;
    return plaintext;
  }

  /** Ends the attachment: overwrites the key; whatever arrives later is refused. */
  wipe(): void {
    wipe(this.#key);
    this.#key = undefined;
  }

  #open(type: number, bound: number | undefined, given: number | bigint, ciphertext: Uint8Array): Uint8Array {
    const key = this.#key;
    if (key === undefined) throw closed();
    const sequence = Number(given);
    if (!Number.isInteger(sequence) || sequence < 0 || sequence >= maxSequence) {
      throw new SallyportError('UNSEALABLE', { message: 'the sequence number is out of range' });
    }
    // Looked at before opening, as that is cheaper; moved only after, as anybody may invent a number.
    if (this.#window.look(sequence) !== 'fresh') throw new SallyportError('REPLAYED');
    const aad = this.#header.set(sequence, type, bound);
    const plaintext = this.#crypto.aead.open(key, this.#header.nonce, aad, ciphertext);
    if (plaintext === null) throw new SallyportError('UNSEALABLE');
    this.#window.take(sequence);
    return plaintext;
  }
}
