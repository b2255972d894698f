import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { type LocalAccount, type LocalDb, onLocal } from '../local-sql.ts';
import { packFolder } from './archive.ts';
import { type Documents, type Manifest, names } from './documents.ts';
import { type LogShipper, logStatus } from './log-shipper.ts';
import { type BackupKey, newDataKey } from './seal.ts';
import type { BackupStore } from './store.ts';
import { lookAtTables } from './tables.ts';

export interface SnapshotOptions {
  readonly store: BackupStore;
  readonly documents: Documents;
  readonly key: BackupKey;
  readonly shipper: LogShipper;
  readonly stream: string;
  readonly account: LocalAccount;
  readonly dataDir: string;
  /** Snapshots are packed here before they are sent. */
  readonly spoolDir: string;
  /** The mesh's folder: its keys and settings go with the data. */
  readonly stateDir: string;
  /** Left out of what is packed. */
  readonly keyFile: string;
  readonly pod: string;
  readonly clock: Clock;
  readonly randomHex: (bytes: number) => string;
  readonly signal: AbortSignal;
}

/** Of the mesh's folder: what a new machine needs to be the same service to its devices. */
export const stateNames = ['secrets', 'pki', 'settings.json', 'ports.json', 'applied'] as const;

/** Milliseconds for MySQL to copy itself, and for a look at its tables. */
const cloneMs = 1_800_000;
const lookMs = 600_000;

const cloneMibPerSecond = 32;

const run = promisify(execFile);

/**
 * Copies the node's data as of one moment (MySQL's CLONE, which holds nobody up), packs and seals them together with the
 * mesh's keys, and sends them. The snapshot counts once its manifest is there, which goes last.
 * @throws BACKUP_TARGET, BACKUP_NO_ROOM, what MySQL says
 */
export async function takeSnapshot(o: SnapshotOptions): Promise<Manifest> {
  const { account, clock, spoolDir, shipper } = o;
  const begun = clock.monotonic();
  const takenAtMs = clock.now();
  const id = `${timeName(takenAtMs)}-${o.randomHex(2)}`;
  const folder = join(spoolDir, id);
  const tree = join(folder, 'tree');
  await mkdir(tree, { recursive: true, mode: 0o700 });
  await assertRoom(o);
  const seq = await shipper.rotate();
  await onLocal(account, cloneMs, 'copying the data', (db) => cloneGently(db, join(tree, 'data')));
  const { version, ...witness } = await onLocal(account, lookMs, 'looking at the data', lookAtOneMoment);
  await copyState(o, join(tree, 'state'));
  const { key, wrapped } = newDataKey(o.key);
  const parts: Manifest['parts'] = [];
  for await (const { part, sealed } of packFolder(tree, { id, key })) {
    o.signal.throwIfAborted();
    await writeFile(join(folder, part.name), sealed, { mode: 0o600 });
    parts.push(part);
  }
  await rm(tree, { recursive: true });
  const manifest = {
    ...{ version: 1 as const, id, meshId: await meshIdOf(o.stateDir), pod: o.pod, mysql: version, takenAtMs },
    ...{ tookMs: Math.round(clock.monotonic() - begun), wrappedKey: wrapped, parts },
    ...{ log: { stream: o.stream, seq }, witness },
  };
  // Its proof plays the log up to where the node was looked at, whoever makes it.
  await shipper.ship();
  // From now on sending it can go on after whatever interrupts it.
  const kept = join(folder, 'manifest');
  await writeFile(`${kept}.new`, o.documents.signManifest(manifest), { mode: 0o600 });
  await rename(`${kept}.new`, kept);
  return sendSpooled(o, id);
}

/**
 * MySQL's CLONE into a folder of this machine. It reads and writes as fast as the disk can, which is the disk that logins
 * are committed to: so it is held back. What the node copies from another when it has fallen behind is not.
 */
async function cloneGently(db: LocalDb, to: string): Promise<void> {
  await sql`set global clone_max_data_bandwidth = ${sql.lit(cloneMibPerSecond)}`.execute(db);
  try {
    await sql`clone local data directory = ${to}`.execute(db);
  } finally {
    await sql`set global clone_max_data_bandwidth = default`.execute(db);
  }
}

/** Sends what was packed, without what is there already. */
async function sendSpooled(
  {
    store,
    documents,
    spoolDir,
    signal,
  }: Pick<SnapshotOptions, 'store' | 'documents' | 'spoolDir' | 'signal'>,
  id: string,
): Promise<Manifest> {
  const folder = join(spoolDir, id);
  const manifest = documents.parseManifest(id, await readFile(join(folder, 'manifest')));
  // Their names tell their content, and they appear whole or not at all.
  const there = new Set((await store.list(names.snapshot(id))).map((name) => basename(name)));
  for (const part of manifest.parts) {
    signal.throwIfAborted();
    if (!there.has(part.name)) await store.put(names.part(id, part), await readFile(join(folder, part.name)));
  }
  await documents.putManifest(manifest);
  await rm(folder, { recursive: true });
  return manifest;
}

/** Sends what an earlier run had packed and not sent whole; removes what it had not packed. */
export async function resumeSpooled(
  o: Pick<SnapshotOptions, 'store' | 'documents' | 'spoolDir' | 'signal'>,
): Promise<Manifest[]> {
  const sent: Manifest[] = [];
  for (const id of existsSync(o.spoolDir) ? await readdir(o.spoolDir) : []) {
    const folder = join(o.spoolDir, id);
    if (existsSync(join(folder, 'manifest'))) {
      try {
        sent.push(await sendSpooled(o, id));
        continue;
      } catch (error) {
        // Packed for another key or damaged: the next one takes its place. A store that is away may be back later.
        if (SallyportError.from(error).reason === 'BACKUP_TARGET') throw error;
      }
    }
    await rm(folder, { recursive: true, force: true });
  }
  return sent;
}

/**
 * What the node holds at one place in its log: nothing is committed between the two looks, which takes milliseconds;
 * counting then goes by a read view of that moment.
 */
async function lookAtOneMoment(db: LocalDb): Promise<Manifest['witness'] & { version: string }> {
  await sql`set session lock_wait_timeout = 5, transaction_isolation = 'REPEATABLE-READ'`.execute(db);
  await sql`flush tables with read lock`.execute(db);
  let at: Awaited<ReturnType<typeof logStatus>>;
  try {
    await sql`start transaction with consistent snapshot`.execute(db);
    at = await logStatus(db);
  } finally {
    await sql`unlock tables`.execute(db);
  }
  const { rows } = await sql<{ version: string }>`select version() as version`.execute(db);
  const tables = await lookAtTables(db);
  await sql`rollback`.execute(db);
  return { file: at.file, position: at.position, gtid: at.gtid, tables, version: rows[0]?.version ?? '' };
}

async function copyState({ stateDir, keyFile }: SnapshotOptions, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const name of stateNames) {
    const from = join(stateDir, name);
    if (existsSync(from)) await run('cp', ['-a', '--no-preserve=ownership', from, join(to, name)]);
  }
  const inside = keyFile.startsWith(`${stateDir}/`) ? keyFile.slice(stateDir.length + 1) : undefined;
  if (inside !== undefined) await rm(join(to, inside), { force: true });
}

/** The mesh's name: of the authority that its phones know. */
export async function meshIdOf(stateDir: string): Promise<string> {
  const certificate = await readFile(join(stateDir, 'pki', 'public-ca.crt'));
  return createHash('sha256').update(certificate).digest('hex').slice(0, 16);
}

/** Room for a copy, and for it once more while it is packed. */
async function assertRoom({ dataDir, spoolDir }: SnapshotOptions): Promise<void> {
  const { stdout } = await run('du', ['-sk', '--exclude=binlog.*', '--exclude=relay*', dataDir]);
  const needed = Number.parseInt(stdout, 10) * 1024 * 2;
  const { bavail, bsize } = await statfs(spoolDir);
  if (bavail * bsize >= needed) return;
  throw new SallyportError('BACKUP_NO_ROOM', {
    message: `${spoolDir} has ${mib(bavail * bsize)} MiB left, and a snapshot takes up to ${mib(needed)} for a while`,
  });
}

const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);

/** `20261127T154719Z` */
export const timeName = (ms: number): string =>
  new Date(ms)
    .toISOString()
    .replace(/[-:]/g, '')
    .replace(/\.\d+Z$/, 'Z');
