import { createHash } from 'node:crypto';
import { SallyportError } from '#core/errors/error.ts';

/** The key that wraps all data keys. Only its provider keeps it. */
export interface RootKey {
  /** 16 hexadecimal digits of a digest of the key: names it and tells nothing about it. */
  readonly id: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

export interface RootKeys {
  readonly current: RootKey;
  /** Keys that were current before; needed until everything is re-wrapped. */
  readonly older: readonly RootKey[];
}

/** Where the root key comes from: a file, a program, the environment. */
export interface RootKeyProvider {
  /** Asked anew at each start and rotation, so that a new key is seen without a restart. @throws ROOT_KEY_UNAVAILABLE */
  keys(): Promise<RootKeys>;
}

/**
 * Reads keys as providers give them: one per line, newest first, each 32 bytes in base64 or base64url;
 * empty lines and lines beginning with # do not count.
 * @param from names the place, for the error
 * @throws ROOT_KEY_UNAVAILABLE
 */
export function parseRootKeys(text: string, from: string): RootKeys {
  const keys = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line, index) => {
      const key = Buffer.from(line, 'base64');
      if (key.length !== 32 || !/^[\w+/-]+=*$/.test(line)) {
        throw new SallyportError('ROOT_KEY_UNAVAILABLE', {
          message: `root key ${index + 1} from ${from} is not 32 bytes in base64`,
        });
      }
      const digest = createHash('sha256').update('sallyport root key id v1\0').update(key).digest('hex');
      return { id: digest.slice(0, 16), key: new Uint8Array(key) };
    });
  const [current, ...older] = keys;
  if (current === undefined) {
    throw new SallyportError('ROOT_KEY_UNAVAILABLE', { message: `there is no root key in ${from}` });
  }
  return { current, older };
}
