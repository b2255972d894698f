import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { type BackupKey, damaged, readSigned, signed } from './seal.ts';
import type { BackupStore } from './store.ts';

/**
 * What lies in a store:
 *   snapshots/ID/manifest            signed; a snapshot without one is unfinished
 *   snapshots/ID/part-NNNNN-DIGEST   tar, zstd, cut into pieces, each sealed
 *   snapshots/ID/proof               signed: it was restored
 *   log/STREAM/NNNNNNNN              a stretch of one node's binary log, sealed
 *   log/STREAM/mark                  signed: how far the log goes
 *   eras/NNNNNNNN                    signed: a restore that began an era
 */
export const names = {
  snapshot: (id: string) => `snapshots/${id}`,
  manifest: (id: string) => `snapshots/${id}/manifest`,
  part: (id: string, part: { name: string }) => `snapshots/${id}/${part.name}`,
  proof: (id: string) => `snapshots/${id}/proof`,
  stream: (stream: string) => `log/${stream}`,
  segment: (stream: string, seq: number) => `log/${stream}/${String(seq).padStart(8, '0')}`,
  mark: (stream: string) => `log/${stream}/mark`,
  era: (era: number) => `eras/${String(era).padStart(8, '0')}`,
} as const;

const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
const time = z.number().int().min(0);

/** Rows of each table, and MySQL's checksum where the table is not too large for one. */
const tables = z.record(z.string(), z.object({ rows: z.number(), checksum: z.number().nullable() }));
export type Tables = z.infer<typeof tables>;

const manifestSchema = z.object({
  version: z.literal(1),
  keyId: hex(16),
  id: z.string(),
  /** Names the mesh by the authority that its phones know; it outlives restores. */
  meshId: hex(16),
  pod: z.string(),
  mysql: z.string(),
  takenAtMs: time,
  tookMs: time,
  wrappedKey: z.string(),
  parts: z.array(z.object({ name: z.string(), bytes: z.number(), sha256: hex(64) })),
  /** The log goes on from here. */
  log: z.object({ stream: z.string(), seq: z.number().int() }),
  /** What the node held at a place in its log shortly after: what a restore is compared with. */
  witness: z.object({ file: z.string(), position: z.number(), gtid: z.string(), tables }),
});
export type Manifest = z.infer<typeof manifestSchema>;

const proofSchema = z.object({
  keyId: hex(16),
  id: z.string(),
  provenAtMs: time,
  /** From the first byte fetched to a server that has answered. */
  tookMs: time,
  rows: z.number(),
  tables: z.number(),
});
export type Proof = z.infer<typeof proofSchema>;

const markSchema = z.object({
  keyId: hex(16),
  stream: z.string(),
  pod: z.string(),
  /** The number of the first segment that is kept, and that of the next one. */
  first: z.number().int(),
  seq: z.number().int(),
  /** When the log was looked at last: what was committed on this node before is in the store. */
  readAtMs: time,
  gtid: z.string(),
  /** The longest time of which, at any moment so far, nothing was in the store yet; that before it went on for another, too. */
  worstLossMs: z.number(),
});
export type Mark = z.infer<typeof markSchema>;

const eraSchema = z.object({ keyId: hex(16), era: z.number().int(), atMs: time, snapshot: z.string() });

type Without<T> = Omit<T, 'keyId'>;

/** What `log` holds. */
export interface LogIndex {
  readonly marks: readonly Mark[];
  /** Names of marks that cannot be read, and why. */
  readonly unreadable: ReadonlyMap<string, SallyportError>;
  /** Of all that is there, marks too. */
  readonly names: ReadonlySet<string>;
}

/** How far beyond the last era that can be read a damaged one is still taken for one that was begun. */
const erasInDoubt = 100;

/** Reads and writes the signed documents of one store. All readers throw BACKUP_DAMAGED, BACKUP_KEY_WRONG. */
export function documents(store: BackupStore, key: BackupKey) {
  const read = async <S extends z.ZodType>(name: string, schema: S): Promise<z.output<S> | undefined> => {
    const bytes = await store.get(name);
    return bytes === undefined ? undefined : readSigned(key, name, bytes, schema);
  };
  const write = (name: string, value: object): Promise<void> =>
    store.put(name, signed(key, name, { ...value, keyId: key.id }));
  return {
    manifest: async (id: string): Promise<Manifest> => {
      const found = await read(names.manifest(id), manifestSchema);
      if (found === undefined) throw new SallyportError('NOT_FOUND', { message: `there is no backup ${id}` });
      if (found.id !== id) throw damaged(names.manifest(id), `it is that of ${found.id}`);
      return found;
    },
    proof: (id: string) => read(names.proof(id), proofSchema),
    log: async (): Promise<LogIndex> => {
      const found = await store.list('log');
      const marks: Mark[] = [];
      const unreadable = new Map<string, SallyportError>();
      await Promise.all(
        found
          .filter((name) => name.endsWith('/mark'))
          .map(async (name) => {
            const mark = await unlessDamaged(read(name, markSchema));
            if (mark instanceof SallyportError) unreadable.set(name, mark);
            else if (mark !== undefined) marks.push(mark);
          }),
      );
      marks.sort((a, b) => (a.stream < b.stream ? -1 : 1));
      return { marks, unreadable, names: new Set(found) };
    },
    /**
     * The highest era that a restore from here has begun, 0 if none has. One that is damaged counts by its name, which
     * costs nothing, unless its number is one that nobody can have come to.
     */
    lastEra: async (): Promise<{ readonly era: number; readonly damaged: readonly string[] }> => {
      const damaged: { name: string; era: number }[] = [];
      let whole = 0;
      for (const name of (await store.list('eras')).toReversed()) {
        const found = await unlessDamaged(read(name, eraSchema));
        if (found instanceof SallyportError)
          damaged.push({ name, era: Number(/^eras\/(\d+)$/.exec(name)?.[1]) });
        else if (found !== undefined) {
          whole = found.era;
          break;
        }
      }
      const begun = damaged.map(({ era }) => era).filter((era) => era <= whole + erasInDoubt);
      return { era: Math.max(whole, ...begun), damaged: damaged.map(({ name }) => name) };
    },
    putManifest: (manifest: Without<Manifest>) => write(names.manifest(manifest.id), manifest),
    putProof: (proof: Without<Proof>) => write(names.proof(proof.id), proof),
    putMark: (mark: Without<Mark>) => write(names.mark(mark.stream), mark),
    putEra: (era: Without<z.infer<typeof eraSchema>>) => write(names.era(era.era), era),
    parseManifest: (id: string, bytes: Buffer): Manifest =>
      readSigned(key, names.manifest(id), bytes, manifestSchema),
    signManifest: (manifest: Without<Manifest>): Buffer =>
      signed(key, names.manifest(manifest.id), { ...manifest, keyId: key.id }),
  };
}
export type Documents = ReturnType<typeof documents>;

/** @throws what is neither BACKUP_DAMAGED nor BACKUP_KEY_WRONG, which one bent byte may look like */
async function unlessDamaged<T>(reading: Promise<T>): Promise<T | SallyportError> {
  try {
    return await reading;
  } catch (error) {
    const known = SallyportError.from(error);
    if (known.reason !== 'BACKUP_DAMAGED' && known.reason !== 'BACKUP_KEY_WRONG') throw error;
    return known;
  }
}

/** Ids of the snapshots that are whole, oldest first. */
export async function snapshotIds(store: BackupStore): Promise<string[]> {
  return (await uploads(store)).whole;
}

/** Ids of which a part is there but no manifest: they are being sent, or were when their sender died. */
export async function unfinishedIds(store: BackupStore): Promise<string[]> {
  const { all, whole } = await uploads(store);
  return all.filter((id) => !whole.includes(id));
}

async function uploads(store: BackupStore): Promise<{ all: string[]; whole: string[] }> {
  const found = (await store.list('snapshots')).map((name) => name.split('/'));
  const whole = found.filter(([, , object]) => object === 'manifest').map(([, id = '']) => id);
  return { all: [...new Set(found.map(([, id = '']) => id))], whole };
}
