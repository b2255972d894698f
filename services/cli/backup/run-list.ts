import { SallyportError } from '#core/errors/error.ts';
import { noBackup } from '#services/db-agent/backup/choose-snapshot.ts';
import {
  type LogIndex,
  type Manifest,
  names,
  type Proof,
  snapshotIds,
} from '#services/db-agent/backup/documents.ts';
import type { Source } from '#services/db-agent/backup/fetch-snapshot.ts';
import { logAfter } from '#services/db-agent/backup/log-segment.ts';
import { damaged } from '#services/db-agent/backup/seal.ts';
import type { CommandContext } from '../command.ts';
import type { Figure, Outcome } from '../report.ts';
import { table } from '../table.ts';
import { type TargetOptions, withSource } from './target.ts';

/** Goals of the product: seconds. */
const rpoGoal = 10;
const rtoGoal = 90;

interface Listed {
  readonly id: string;
  readonly manifest?: Manifest;
  readonly proof?: Proof | undefined;
  /** Up to when the log restores; undefined: there is none. */
  readonly until?: number | undefined;
  /** What cannot be restored, and why: all of it where there is no manifest. */
  readonly damaged?: string;
}

/** `sallyport backup list` */
export function runList(options: TargetOptions, command: CommandContext): Promise<Outcome> {
  const { report, clock } = command;
  return withSource(options, command, async (source) => {
    const ids = await snapshotIds(source.store);
    const all: Listed[] = [];
    if (ids.length === 0) throw noBackup();
    const log = await source.documents.log();
    const there = new Set(await source.store.list('snapshots'));
    for (const id of ids) all.push(await look(source, id, { log, there }));
    const { marks } = log;
    const rows = all.map(({ id, manifest, proof, until, damaged }) => {
      if (manifest === undefined) return [id, '', '', `damaged: ${damaged}`, '', ''];
      return [
        id,
        manifest.pod,
        `${(bytesOf(manifest) / 2 ** 20).toFixed(1)} MiB`,
        proof === undefined ? 'not yet' : `${proof.rows} rows in ${proof.tables} tables`,
        proof === undefined ? '-' : `${seconds(proof.tookMs)} s`,
        damaged !== undefined ? `damaged: ${damaged}` : until === undefined ? '-' : iso(until),
      ];
    });
    for (const line of table(['snapshot', 'of', 'size', 'proven', 'RTO', 'restores up to'], rows))
      report.say(line);
    const proven = all.filter(({ proof }) => proof !== undefined);
    const newest = marks.toSorted((a, b) => b.readAtMs - a.readAtMs)[0];
    const figures: Figure[] = [
      { name: 'snapshots', value: all.length, unit: 'snapshots', goal: '', ok: true },
      { name: 'proven', value: proven.length, unit: 'snapshots', goal: 'at least 1', ok: proven.length > 0 },
    ];
    if (newest !== undefined) {
      // Of every node that has brought a stretch that is kept, and of the time until it went on for another.
      const worst = seconds(Math.max(...marks.map(({ worstLossMs }) => worstLossMs)));
      const goal = `at most ${rpoGoal}`;
      figures.push({ name: 'proven RPO', value: worst, unit: 's', goal, ok: worst <= rpoGoal });
      const age = seconds(clock.now() - newest.readAtMs);
      figures.push({ name: 'the log ends', value: age, unit: 's ago', goal: '', ok: true });
    }
    if (proven.length > 0) {
      const slowest = seconds(Math.max(...proven.map(({ proof }) => proof?.tookMs ?? 0)));
      const goal = `at most ${rtoGoal}`;
      figures.push({ name: 'measured RTO', value: slowest, unit: 's', goal, ok: slowest <= rtoGoal });
    }
    const items = all.map(({ id, manifest, proof, until, damaged }) => ({
      id,
      ...(damaged !== undefined && { damaged }),
      ...(manifest && {
        pod: manifest.pod,
        mysql: manifest.mysql,
        takenAt: iso(manifest.takenAtMs),
        tookMs: manifest.tookMs,
        bytes: bytesOf(manifest),
        restoresUpTo: iso(until ?? manifest.takenAtMs),
      }),
      ...(proof && { proof: { at: iso(proof.provenAtMs), rtoMs: proof.tookMs, rows: proof.rows } }),
    }));
    const ok = all.every(({ damaged }) => damaged === undefined) && figures.every((figure) => figure.ok);
    return { ok, figures, items: { items } };
  });
}

interface There {
  readonly log: LogIndex;
  readonly there: ReadonlySet<string>;
}

/** Nothing large is read: all that a restore needs is there, and what says so is as it was written. */
async function look({ documents }: Source, id: string, { log, there }: There): Promise<Listed> {
  let listed: Listed = { id };
  try {
    const manifest = await documents.manifest(id);
    const missing = manifest.parts.map((part) => names.part(id, part)).find((name) => !there.has(name));
    if (missing !== undefined) throw damaged(missing, 'it is missing');
    listed = { id, manifest, proof: await documents.proof(id) };
    const { stretches, marks } = logAfter(manifest, log);
    for (const { stream, from, to } of stretches) {
      for (let seq = from; seq < to; seq += 1)
        if (!log.names.has(names.segment(stream, seq)))
          throw damaged(names.segment(stream, seq), 'it is missing');
    }
    return { ...listed, until: marks[0]?.readAtMs };
  } catch (error) {
    const { reason, message } = SallyportError.from(error);
    if (reason !== 'BACKUP_DAMAGED') throw error;
    return { ...listed, damaged: message };
  }
}

export const bytesOf = ({ parts }: Manifest): number => parts.reduce((sum, { bytes }) => sum + bytes, 0);
const seconds = (ms: number): number => Math.round(ms / 100) / 10;
export const iso = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
