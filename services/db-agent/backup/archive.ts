import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { SallyportError } from '#core/errors/error.ts';
import type { Manifest } from './documents.ts';
import { yieldIfWeDo } from './priority.ts';
import { damaged, nonceOf, seal, unseal } from './seal.ts';

export interface Part {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Bytes of a piece: what is sent again at most when an upload is cut off. */
const pieceBytes = 4 * 2 ** 20;
/** Level 3 is zstd's own default: three quarters smaller, at some 200 MB a second. */
const level = 3;

const aboutPart = (id: string, index: number, last: boolean): string =>
  `${id} ${index} ${last ? 'last' : ''}`;

/** The pieces of a folder: tar, zstd, cut, sealed. Their names tell their content, so that a cut upload can go on. */
export async function* packFolder(
  folder: string,
  { id, key }: { readonly id: string; readonly key: Buffer },
): AsyncGenerator<{ readonly part: Part; readonly sealed: Buffer }> {
  // Whatever is sparse in MySQL's files stays so.
  const tar = spawn('tar', ['-C', folder, '--sparse', '-cf', '-', '.'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  yieldIfWeDo(tar);
  const ended = endOf(tar, 'tar');
  const zstd = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: level } });
  const packing = pipeline(tar.stdout, zstd);
  // Both are waited for below, in their order.
  packing.catch(() => undefined);
  ended.catch(() => undefined);
  let index = 0;
  const sealPart = (plain: Buffer, last: boolean) => {
    const sealed = seal(key, nonceOf(index), aboutPart(id, index, last), plain);
    const sha256 = createHash('sha256').update(sealed).digest('hex');
    const name = `part-${String(index).padStart(5, '0')}-${sha256.slice(0, 16)}`;
    index += 1;
    return { part: { name, bytes: sealed.length, sha256 }, sealed };
  };
  try {
    let held: Buffer[] = [];
    let length = 0;
    for await (const chunk of zstd as AsyncIterable<Buffer>) {
      held.push(chunk);
      length += chunk.length;
      // The last one is marked, so some of it is kept until the end is known.
      while (length > pieceBytes) {
        const all = Buffer.concat(held, length);
        yield sealPart(all.subarray(0, pieceBytes), false);
        held = [all.subarray(pieceBytes)];
        length -= pieceBytes;
      }
    }
    await packing;
    await ended;
    yield sealPart(Buffer.concat(held, length), true);
  } finally {
    tar.kill('SIGKILL');
    zstd.destroy();
  }
}

/** What a piece holds. @throws BACKUP_DAMAGED unless it is exactly what was sealed */
export function openPart(manifest: Manifest, key: Buffer, index: number, sealed: Buffer | undefined): Buffer {
  const part = manifest.parts[index];
  const name = `snapshots/${manifest.id}/${part?.name}`;
  if (part === undefined || sealed === undefined) throw damaged(name, 'it is missing');
  if (sealed.length !== part.bytes) throw damaged(name, `${sealed.length} bytes instead of ${part.bytes}`);
  if (createHash('sha256').update(sealed).digest('hex') !== part.sha256)
    throw damaged(name, 'its checksum is not right');
  const last = index === manifest.parts.length - 1;
  const plain = unseal(key, nonceOf(index), aboutPart(manifest.id, index, last), sealed);
  if (plain === undefined) throw damaged(name, 'it is not what was sealed');
  return plain;
}

/** Unpacks what {@link packFolder} has packed into a folder that is there. @throws BACKUP_DAMAGED */
export async function unpack(pieces: AsyncIterable<Buffer>, folder: string, name: string): Promise<void> {
  const tar = spawn('tar', ['-C', folder, '--no-same-owner', '-xf', '-'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  yieldIfWeDo(tar);
  const ended = endOf(tar, 'tar');
  ended.catch(() => undefined);
  // It says itself why it took no more; one that has seen the archive's end does not wait for what pads it.
  tar.stdin.on('error', () => {});
  const zstd = createZstdDecompress();
  const opening = pipeline(Readable.from(pieces), zstd);
  opening.catch(() => undefined);
  try {
    for await (const chunk of zstd as AsyncIterable<Buffer>) {
      if (tar.stdin.write(chunk) || tar.stdin.destroyed) continue;
      await Promise.race([once(tar.stdin, 'drain').catch(() => ended), ended]);
    }
    await opening;
    tar.stdin.end();
    await ended;
  } catch (error) {
    tar.kill('SIGKILL');
    if (error instanceof SallyportError) throw error;
    throw damaged(name, error instanceof Error ? error.message : String(error));
  }
}

/** Resolves when it has ended well. @throws Error with its last words */
export async function endOf(child: ChildProcess, what: string): Promise<void> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(-2000);
  });
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${what} ended with ${code ?? signal}: ${said.trim()}`);
}
