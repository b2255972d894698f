import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { SallyportError } from '../../core/errors/error.ts';
import type { DeliveryClient } from './delivery-client.ts';
import { bytesOf, type UpdateFiles } from './update-files.ts';

/** What was signed about a file. */
export interface SignedFile {
  /** Bytes. */
  readonly length: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** SHA-256 as bytes come, for which WebCrypto has no way. */
export interface Hash {
  update(data: Uint8Array): unknown;
  digest(): Uint8Array;
}

export interface FetchOptions {
  readonly client: Pick<DeliveryClient, 'read'>;
  /** One that is faster than the one in JavaScript. */
  readonly newHash?: (() => Hash) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** Bytes that are hashed at a time. */
const blockBytes = 2 ** 20;

/**
 * Downloads a file that was signed as `name`, going on where an earlier call stopped (`name`.part). Nothing has the
 * name that was not compared with its digest. @throws UPDATE_UNTRUSTED, NOT_FOUND, UNAVAILABLE, CANCELLED
 */
export async function fetchPackage<P>(
  file: SignedFile,
  files: UpdateFiles<P>,
  name: string,
  options: FetchOptions,
): Promise<void> {
  if (await isSigned(await files.read(name), file, options.newHash)) return;
  const part = `${name}.part`;
  let at = (await files.read(part))?.size ?? 0;
  if (at > file.length) {
    await files.remove(part);
    at = 0;
  }
  if (at < file.length) {
    const out = await files.append(part);
    try {
      const take = async (data: Uint8Array): Promise<void> => {
        // Before it is written: somebody may send without end.
        if (at + data.length > file.length) throw untrusted('the catalogue sends more than was signed');
        await out.write(data);
        at += data.length;
        options.onProgress?.(at);
      };
      await options.client.read(hexToBytes(file.sha256), at, take, options.signal);
    } finally {
      await out.close();
    }
  }
  if (at < file.length) throw untrusted(`the catalogue has sent ${at} of ${file.length} bytes`);
  if (!(await isSigned(await files.read(part), file, options.newHash))) {
    await files.remove(part);
    throw untrusted('the package is not the one that was signed');
  }
  await files.rename(part, name);
}

/** Whether a file is what was signed; without having it in memory. */
export async function isSigned(
  found: Blob | undefined,
  signed: SignedFile,
  newHash: () => Hash = () => sha256.create(),
): Promise<boolean> {
  if (found?.size !== signed.length) return false;
  const hash = newHash();
  for (let at = 0; at < found.size; at += blockBytes) {
    hash.update(await bytesOf(found.slice(at, at + blockBytes)));
  }
  return bytesToHex(hash.digest()) === signed.sha256;
}

const untrusted = (message: string): SallyportError => new SallyportError('UPDATE_UNTRUSTED', { message });
