import { SallyportError } from '#core/errors/error.ts';
import { type Manifest, type Mark, type Proof, snapshotIds } from '#services/db-agent/backup/documents.ts';
import type { Source } from '#services/db-agent/backup/fetch-snapshot.ts';
import { logAfter } from '#services/db-agent/backup/log-segment.ts';
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
  readonly damaged?: string;
}

/** `sallyport backup list` */
export function runList(options: TargetOptions, command: CommandContext): Promise<Outcome> {
  const { report, clock } = command;
  return withSource(options, command, async (source) => {
    const ids = await snapshotIds(source.store);
    const all: Listed[] = [];
    for (const id of ids) all.push(await look(source, id));
    const marks = await source.documents.marks();
    const rows = all.map(({ id, manifest, proof, damaged }) => {
      if (manifest === undefined) return [id, '', '', `damaged: ${damaged}`, '', ''];
      const until = coveredUntil(manifest, marks);
      return [
        id,
        manifest.pod,
        `${(bytesOf(manifest) / 2 ** 20).toFixed(1)} MiB`,
        proof === undefined ? 'not yet' : `${proof.rows} rows in ${proof.tables} tables`,
        proof === undefined ? '-' : `${seconds(proof.tookMs)} s`,
        until === undefined ? '-' : iso(until),
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
    const items = all.map(({ id, manifest, proof, damaged }) => ({
      id,
      ...(damaged !== undefined && { damaged }),
      ...(manifest && {
        pod: manifest.pod,
        mysql: manifest.mysql,
        takenAt: iso(manifest.takenAtMs),
        tookMs: manifest.tookMs,
        bytes: bytesOf(manifest),
        restoresUpTo: iso(coveredUntil(manifest, marks) ?? manifest.takenAtMs),
      }),
      ...(proof && { proof: { at: iso(proof.provenAtMs), rtoMs: proof.tookMs, rows: proof.rows } }),
    }));
    const ok = all.every(({ damaged }) => damaged === undefined) && figures.every((figure) => figure.ok);
    return { ok, figures, items: { items } };
  });
}

async function look({ documents }: Source, id: string): Promise<Listed> {
  try {
    return { id, manifest: await documents.manifest(id), proof: await documents.proof(id) };
  } catch (error) {
    const { reason, message } = SallyportError.from(error);
    if (reason !== 'BACKUP_DAMAGED') throw error;
    return { id, damaged: message };
  }
}

function coveredUntil(manifest: Manifest, marks: readonly Mark[]): number | undefined {
  const streams = new Set(logAfter(manifest, marks).map(({ stream }) => stream));
  const times = marks.filter(({ stream }) => streams.has(stream)).map(({ readAtMs }) => readAtMs);
  return times.length === 0 ? undefined : Math.max(...times);
}

export const bytesOf = ({ parts }: Manifest): number => parts.reduce((sum, { bytes }) => sum + bytes, 0);
const seconds = (ms: number): number => Math.round(ms / 100) / 10;
export const iso = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
