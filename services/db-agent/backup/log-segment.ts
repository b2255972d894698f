import { appendFile, mkdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { type LogIndex, type Manifest, type Mark, names } from './documents.ts';
import { type BackupKey, damaged, nonceOf, seal, unseal, unwrapDataKey } from './seal.ts';
import type { BackupStore } from './store.ts';

const headerSchema = z.object({
  keyId: z.string(),
  stream: z.string(),
  seq: z.number().int(),
  /** Name of the binary log, and where in it this begins. */
  file: z.string().regex(/^[a-z]+\.\d{6,}$/),
  from: z.number().int().min(0),
  wrappedKey: z.string(),
});
export type SegmentHeader = z.infer<typeof headerSchema>;

/** A line that says what it is, then the bytes, compressed and sealed together with that line. */
export function sealSegment(key: Buffer, header: SegmentHeader, bytes: Uint8Array): Buffer {
  const line = JSON.stringify(header);
  return Buffer.concat([
    Buffer.from(`${line}\n`),
    seal(key, nonceOf(header.seq), line, zstdCompressSync(bytes)),
  ]);
}

interface Segment extends SegmentHeader {
  readonly bytes: Buffer;
}

/** @throws BACKUP_DAMAGED */
function openSegment(key: BackupKey, stream: string, seq: number, sealed: Buffer | undefined): Segment {
  const name = names.segment(stream, seq);
  if (sealed === undefined) throw damaged(name, 'it is missing');
  const end = sealed.indexOf(0x0a);
  const line = sealed.subarray(0, Math.max(0, end)).toString('utf8');
  let header: SegmentHeader;
  try {
    header = headerSchema.parse(JSON.parse(line));
  } catch {
    throw damaged(name, 'its beginning is not right');
  }
  // Its mark was signed with this key: a bent byte.
  if (header.keyId !== key.id) throw damaged(name, `it says that its key is ${header.keyId}`);
  if (header.stream !== stream || header.seq !== seq) throw damaged(name, 'it belongs elsewhere');
  let plain: Buffer | undefined;
  try {
    plain = unseal(unwrapDataKey(key, header.wrappedKey), nonceOf(seq), line, sealed.subarray(end + 1));
  } catch {
    throw damaged(name, 'its key is not right');
  }
  if (plain === undefined) throw damaged(name, 'it is not what was sealed');
  return { ...header, bytes: zstdDecompressSync(plain) };
}

/** What goes on from a snapshot. */
export interface LogAfter {
  readonly stretches: readonly { readonly stream: string; readonly from: number; readonly to: number }[];
  /** Of these stretches: the one that was read last, first. */
  readonly marks: readonly Mark[];
  /** Damaged, and of no concern to this snapshot. */
  readonly passedOver: readonly string[];
}

/**
 * Which stretches of the log go on from a snapshot: its own stream's, and those that others began after it. None when
 * its own has been given up, as that of old snapshots is.
 * @throws BACKUP_DAMAGED when nothing says how far a log goes that is needed
 */
export function logAfter(
  { log, takenAtMs }: Manifest,
  { marks, unreadable, names: there }: LogIndex,
): LogAfter {
  const passedOver = [...unreadable.keys()];
  const ownMark = names.mark(log.stream);
  const own = marks.find(({ stream }) => stream === log.stream);
  if (own === undefined && there.has(names.segment(log.stream, log.seq)))
    throw logDamaged(ownMark, unreadable.get(ownMark)?.message ?? 'it is missing');
  if (own === undefined || own.first > log.seq) return { stretches: [], marks: [], passedOver };
  // A stream is named by when it began, and each ends when the next one begins.
  for (const [name, { message }] of unreadable)
    if (name > ownMark && streamName.test(name)) throw logDamaged(name, message);
  const others = marks.filter((mark) => mark !== own && mark.readAtMs >= takenAtMs);
  return {
    stretches: [
      { stream: own.stream, from: log.seq, to: own.seq },
      ...others.map((mark) => ({ stream: mark.stream, from: mark.first, to: mark.seq })),
    ],
    marks: [own, ...others].sort((a, b) => b.readAtMs - a.readAtMs),
    passedOver,
  };
}

const streamName = /^log\/\d{8}T\d{6}Z-[^/]+\/mark$/;

const logDamaged = (name: string, why: string): SallyportError =>
  new SallyportError('BACKUP_DAMAGED', {
    message: why.startsWith(name) ? why : `${name}: ${why}`,
    hint: 'nothing was changed; `sallyport backup restore --no-log` restores the snapshot alone',
  });

/**
 * Puts binary logs together in `folder`, one after the other; gives their paths in the order in which they are to be
 * played. Everything is checked before it is written.
 * @throws BACKUP_DAMAGED (something is missing, too)
 */
export async function fetchLog(
  { store, key }: { readonly store: BackupStore; readonly key: BackupKey },
  stretches: LogAfter['stretches'],
  folder: string,
): Promise<string[]> {
  const files: string[] = [];
  for (const { stream, from, to } of stretches) {
    await mkdir(join(folder, stream), { recursive: true });
    let end = 0;
    for (let seq = from; seq < to; seq += 1) {
      const segment = openSegment(key, stream, seq, await store.get(names.segment(stream, seq)));
      const path = join(folder, stream, segment.file);
      if (segment.from === 0) {
        files.push(path);
        end = 0;
      }
      if (files.at(-1) !== path || segment.from !== end)
        throw damaged(names.segment(stream, seq), 'something before it is missing');
      await appendFile(path, segment.bytes);
      end += segment.bytes.length;
    }
  }
  return files;
}

/** Cuts a log off at a place, and leaves out those after it. */
export async function cutLog(files: readonly string[], file: string, position: number): Promise<string[]> {
  const at = files.findIndex((path) => path.endsWith(`/${file}`));
  const last = files[at];
  if (last === undefined) throw damaged(file, 'the log does not reach as far as the snapshot was looked at');
  await truncate(last, position);
  return files.slice(0, at + 1);
}
