import { concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';

/** As much of Node's `Buffer` as `@tufjs/models` and `trusted-metadata.ts` use, for bundles that run elsewhere. */
class Bytes extends Uint8Array {
  override toString(): string {
    return new TextDecoder().decode(this);
  }
}

/** Bundlers put it in the place of the global. */
export const Buffer = {
  from: (source: string | ArrayLike<number>, encoding: 'utf8' | 'hex' = 'utf8'): Bytes => {
    if (typeof source !== 'string') return new Bytes(source);
    return new Bytes(encoding === 'hex' ? hexToBytes(source) : utf8ToBytes(source));
  },
  concat: (parts: readonly Uint8Array[]): Bytes => new Bytes(concatBytes(...parts)),
};
