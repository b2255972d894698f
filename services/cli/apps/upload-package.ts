import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Client } from '@connectrpc/connect';
import { SallyportError } from '#core/errors/error.ts';
import type { AppCatalog, Release } from '#gen/sallyport/catalog/v1/catalog_pb.js';

export interface PackageToUpload {
  /** Path of the package, or of the delta. */
  readonly file: string;
  readonly name: { readonly appId: string; readonly platform: string; readonly version: string };
  /** The file is a delta from this version. */
  readonly fromVersion?: string;
  readonly notes?: string;
}

export interface UploadOptions {
  readonly signal: AbortSignal;
  /** Bytes that are there, of all. */
  readonly onProgress?: (bytes: number, length: number) => void;
}

/** Pieces that are under way at once: the database commits them together. */
export const together = 4;
/** The tier reads the whole package before it publishes it; milliseconds. */
const commitMs = 10 * 60_000;

/** Looked at before anybody is asked. @throws what the system says of the file; INVALID_FIELD when there is nothing in it */
export async function requireContent(file: string): Promise<void> {
  await pipeline(createReadStream(file, { end: 0 }), async (source: AsyncIterable<Buffer>) => {
    for await (const _ of source) return;
    throw new SallyportError('INVALID_FIELD', {
      message: `${file} is empty`,
      hint: 'name the package itself',
    });
  });
}

/** Uploads a package piece by piece, going on where an earlier upload of the same bytes was broken off. */
export async function uploadPackage(
  client: Client<typeof AppCatalog>,
  { file, name, fromVersion = '', notes = '' }: PackageToUpload,
  { signal, onProgress }: UploadOptions,
): Promise<Release | undefined> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  const sha256 = hash.digest();
  const handle = await open(file, 'r');
  try {
    const { size: length } = await handle.stat();
    const upload = { name, fromVersion, length: BigInt(length), sha256 };
    const { chunkBytes, nextChunk } = await client.beginUpload(upload, { signal });
    const pieces = Math.ceil(length / chunkBytes);
    const put = async (index: number): Promise<void> => {
      const at = index * chunkBytes;
      const data = await readAt(handle, at, Math.min(chunkBytes, length - at));
      await client.putChunk({ sha256, index, data }, { signal });
    };
    for (let next = nextChunk; next < pieces; next += together) {
      const count = Math.min(together, pieces - next);
      await Promise.all(Array.from({ length: count }, (_, n) => put(next + n)));
      onProgress?.(Math.min((next + count) * chunkBytes, length), length);
    }
  } finally {
    await handle.close();
  }
  const { release } = await client.commitUpload(
    { name, fromVersion, sha256, notes },
    { signal, timeoutMs: commitMs },
  );
  return release;
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
