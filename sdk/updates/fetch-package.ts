import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { SallyportError } from '../../core/errors/error.ts';
import type { DeliveryClient } from './delivery-client.ts';

/** What was signed about a file. */
export interface SignedFile {
  /** Bytes. */
  readonly length: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface FetchOptions {
  readonly client: Pick<DeliveryClient, 'read'>;
  readonly signal?: AbortSignal | undefined;
  /** Bytes so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Downloads a file that was signed to `path`, going on where an earlier call stopped (`path`.part). Nothing is at
 * `path` that was not compared with its digest. @throws UPDATE_UNTRUSTED, NOT_FOUND, UNAVAILABLE, CANCELLED
 */
export async function fetchPackage(file: SignedFile, path: string, options: FetchOptions): Promise<void> {
  if (await isFile(path, file)) return;
  const part = `${path}.part`;
  const { size = 0 } = (await stat(part).catch(() => undefined)) ?? {};
  let at = size > file.length ? 0 : size;
  const out = await open(part, 'a', 0o600);
  try {
    await out.truncate(at);
    if (at < file.length) {
      const take = async (data: Uint8Array): Promise<void> => {
        // Before it is written: somebody may send without end.
        if (at + data.length > file.length) throw untrusted('the catalogue sends more than was signed');
        await out.write(data);
        at += data.length;
        options.onProgress?.(at);
      };
      await options.client.read(Buffer.from(file.sha256, 'hex'), at, take, options.signal);
    }
    await out.sync();
  } finally {
    await out.close();
  }
  if (at < file.length) throw untrusted(`the catalogue has sent ${at} of ${file.length} bytes`);
  if (!(await isFile(part, file))) {
    await rm(part);
    throw untrusted('the package is not the one that was signed');
  }
  await rename(part, path);
}

/** Whether a file is what was signed. */
export async function isFile(path: string, { length, sha256 }: SignedFile): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.size !== length) return false;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex') === sha256;
}

const untrusted = (message: string): SallyportError => new SallyportError('UPDATE_UNTRUSTED', { message });
