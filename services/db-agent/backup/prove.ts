import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { Clock } from '#kernel/time/clock.ts';
import { includes, parseGtidSet } from '../gtid.ts';
import { onLocal } from '../local-sql.ts';
import { type Manifest, names, type Proof } from './documents.ts';
import { fetchSnapshot, type Source } from './fetch-snapshot.ts';
import { cutLog, fetchLog, logAfter } from './log-segment.ts';
import { damaged } from './seal.ts';
import { differences, lookAtTables, rowsOf } from './tables.ts';
import { type MysqlTools, playLog, type Throwaway, withThrowaway } from './throwaway.ts';

export interface ProveOptions {
  readonly tools: MysqlTools;
  readonly scratch: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

export const gtidOf = async (server: Throwaway): Promise<string> => {
  const { rows } = await onLocal(server.account, 30_000, 'asking for GTIDs', (db) =>
    sql<{ gtid: string }>`select @@global.gtid_executed as gtid`.execute(db),
  );
  return (rows[0]?.gtid ?? '').replace(/\s/g, '');
};

/**
 * Restores a snapshot from the store into a server of its own, plays the log up to the place where the node was looked
 * at, and compares every table.
 * @param scratch a folder that is made and removed
 * @throws BACKUP_DAMAGED when anything differs
 */
export async function proveSnapshot(
  source: Source,
  manifest: Manifest,
  { tools, scratch, clock, signal }: ProveOptions,
): Promise<Omit<Proof, 'keyId'>> {
  const begun = clock.monotonic();
  const { witness } = manifest;
  await rm(scratch, { recursive: true, force: true });
  try {
    await fetchSnapshot(source, manifest, scratch, signal);
    const { stretches } = logAfter(manifest, await source.documents.log());
    const own = stretches.filter(({ stream }) => stream === manifest.log.stream);
    const log = await fetchLog(source, own, join(scratch, 'log'));
    // A snapshot that is older than the log was compared when it was new.
    const files = own.length === 0 ? [] : await cutLog(log, witness.file, witness.position);
    const use = async (server: Throwaway) => {
      await playLog(tools, server, files);
      const tookMs = Math.round(clock.monotonic() - begun);
      const tables = await onLocal(server.account, 600_000, 'looking at what was restored', lookAtTables);
      return { tookMs, tables, gtid: await gtidOf(server) };
    };
    const { tookMs, tables, gtid } = await withThrowaway(tools, join(scratch, 'data'), use, signal);
    if (own.length > 0) {
      const lacks = !includes(parseGtidSet(gtid), parseGtidSet(witness.gtid));
      const differ = [...(lacks ? ['transactions are missing'] : []), ...differences(witness.tables, tables)];
      if (differ.length > 0) throw damaged(names.snapshot(manifest.id), differ.slice(0, 5).join('; '));
    }
    const { id } = manifest;
    return { id, provenAtMs: clock.now(), tookMs, rows: rowsOf(tables), tables: Object.keys(tables).length };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
