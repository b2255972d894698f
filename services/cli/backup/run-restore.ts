import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PartsError } from '#compose/parts/errors.ts';
import { withLock } from '#compose/parts/lock.ts';
import { findMysql } from '#compose/parts/mysql.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { stopMesh } from '#compose/runner/stop-mesh.ts';
import { installingMark } from '#compose/runner/unfinished-restore.ts';
import { SallyportError } from '#core/errors/error.ts';
import { chooseSnapshot } from '#services/db-agent/backup/choose-snapshot.ts';
import { type Missing, type RestoredData, restoreData } from '#services/db-agent/backup/restore-data.ts';
import { sweepScratch } from '#services/db-agent/backup/scratch.ts';
import { meshIdOf } from '#services/db-agent/backup/snapshot.ts';
import { rowsOf } from '#services/db-agent/backup/tables.ts';
import type { CommandContext } from '../command.ts';
import { UsageError } from '../failure.ts';
import { refuseIfRunning } from '../mesh/wipe.ts';
import type { Outcome } from '../report.ts';
import { bringUpToDate } from './bring-up-to-date.ts';
import { confirm } from './confirm.ts';
import { install } from './install.ts';
import { iso } from './run-list.ts';
import { type TargetOptions, withSource } from './target.ts';

export interface RestoreOptions extends TargetOptions {
  readonly to?: string;
  /** False with `--no-log`. */
  readonly log?: boolean;
  readonly replace?: boolean;
  readonly blockDevices?: boolean;
  readonly yes?: boolean;
}

/** Milliseconds for another restore to end: it may be about to. */
const lockMs = 5000;

/** `sallyport backup restore`: everything is fetched, checked and opened before anything of the mesh is touched. */
export function runRestore(
  options: RestoreOptions,
  command: CommandContext,
  id: string | undefined,
): Promise<Outcome> {
  const { stateDir, report, env, clock, signal } = command;
  const stopAtMs = timeOf(options.to, clock.now());
  refuseIfRunning(stateDir);
  if (options.replace !== true) refuseOverMesh(stateDir);
  return withSource(options, command, async (source, keyFile) => {
    const begun = clock.monotonic();
    const manifest = await chooseSnapshot(source, { id, beforeMs: stopAtMs });
    await refuseForeign(stateDir, manifest.meshId);
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const parts = { env, progress: report.progress, signal };
    return alone(stateDir, parts, async () => {
      // Another one may have ended just now.
      if (options.replace !== true) refuseOverMesh(stateDir);
      await sweepScratch();
      const tools = await findMysql(parts);
      const folder = join(stateDir, 'restore.unfinished');
      const { era: lastEra, damaged } = await source.documents.lastEra();
      for (const name of damaged) report.say(`${name} is damaged; it is passed over.`);
      let restored: RestoredData;
      let fetched: number;
      try {
        restored = await restoreData(source, manifest, {
          ...{ tools, folder, stopAtMs, signal, log: options.log !== false },
          nextEra: (before) => Math.max(before, lastEra) + 1,
          blockDevices: options.blockDevices === true,
          bringUpToDate: (db) => bringUpToDate(db, report.progress),
          progress: report.progress,
        });
        fetched = clock.monotonic() - begun;
        tell(restored, clock.now(), report.say);
        if (options.yes !== true) await confirm('Go on with that?', command);
        // Before anything of it is served: whoever restores next begins another one.
        await source.documents.putEra({ era: restored.era, atMs: clock.now(), snapshot: manifest.id });
        refuseIfRunning(stateDir);
      } catch (error) {
        // Data and keys in the clear, which nobody wants.
        await rm(folder, { recursive: true, force: true });
        throw error;
      }
      // What a runner that was killed has left still runs on what is moved aside now.
      await stopMesh(stateDir, report.progress);
      const installing = clock.monotonic();
      const { aside } = await install({
        stateDir,
        folder,
        keyFile,
        parts,
        name: iso(clock.now()).replace(/[:-]/g, ''),
      });
      if (aside !== undefined) report.say(`What was there before lies in ${aside}.`);
      report.say(
        `Restored ${manifest.id} in era ${restored.era}. \`sallyport up\` starts the mesh; nobody enrols again.`,
      );
      const took = Math.round((fetched + clock.monotonic() - installing) / 100) / 10;
      const rows = rowsOf(restored.tables);
      return {
        ok: true,
        figures: [
          { name: 'restored', value: rows, unit: 'rows', goal: '', ok: true },
          { name: 'era', value: restored.era, unit: '', goal: '', ok: true },
          { name: 'took', value: took, unit: 's', goal: '', ok: true },
        ],
        items: {
          items: restored.missing,
          snapshot: manifest.id,
          coveredUntil: iso(restored.coveredUntilMs),
          tables: restored.tables,
          migrated: restored.migrated,
          ...(restored.blocked && { blocked: restored.blocked }),
          ...(aside !== undefined && { aside }),
        },
      };
    });
  });
}

/** Runs `body` unless another restore into the folder is under way, also one that asks. @throws RESTORE_RUNNING */
async function alone<T>(stateDir: string, parts: PartsOptions, body: () => Promise<T>): Promise<T> {
  let mine = false;
  const held = (): Promise<T> => {
    mine = true;
    return body();
  };
  try {
    return await withLock(join(stateDir, 'restore.lock'), 'restoring into this folder', parts, held, lockMs);
  } catch (error) {
    if (mine || !(error instanceof PartsError) || error.code !== 'LOCK_TIMEOUT') throw error;
    throw new SallyportError('RESTORE_RUNNING', { message: `a restore into ${stateDir} is under way` });
  }
}

function timeOf(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(ms))
    throw new UsageError(`--to ${text} is no time`, 'write it with its zone, such as 2026-11-27T15:04:05Z');
  if (ms > now) throw new UsageError(`--to ${text} has yet to come`, 'leave it out to restore all there is');
  return ms;
}

/** @throws RESTORE_OVER_MESH; not where a restore was cut off, which running it again makes good */
function refuseOverMesh(stateDir: string): void {
  const holds = ['pods', 'pki'].some((name) => existsSync(join(stateDir, name)));
  if (!holds || existsSync(installingMark(stateDir))) return;
  throw new SallyportError('RESTORE_OVER_MESH', { message: `${stateDir} holds a mesh` });
}

/** @throws BACKUP_FOREIGN when the folder holds another mesh */
async function refuseForeign(stateDir: string, meshId: string): Promise<void> {
  if (!existsSync(join(stateDir, 'pki', 'public-ca.crt'))) return;
  const here = await meshIdOf(stateDir);
  if (here === meshId) return;
  throw new SallyportError('BACKUP_FOREIGN', {
    message: `the backup is of the mesh ${meshId}, and ${stateDir} holds the mesh ${here}`,
  });
}

function tell(
  { coveredUntilMs, missing, migrated, blocked, tables, era }: RestoredData,
  now: number,
  say: (line: string) => void,
): void {
  const count = (name: string): number => tables[name]?.rows ?? 0;
  say('');
  say(`${count('users')} users, ${count('shared_keys')} enrolled devices, ${rowsOf(tables)} rows in all.`);
  if (migrated.length > 0) say(`It is of an older release: ${migrated.length} migrations were applied.`);
  say(`Era ${era} begins: everybody logs in again.`);
  say(
    `What was done from ${iso(coveredUntilMs)} to ${iso(now)} may be missing: revocations, enrolments, changes`,
  );
  say(
    'of users and policies. Whoever was blocked, revoked or disabled in that time is not any more, and codes that',
  );
  say('were used in it can be used again. What it was, no backup knows.');
  if (blocked === undefined) say('--block-devices keeps all devices out until you have looked.');
  else {
    say(`${blocked.devices} devices are blocked. Revoke again what you know of, then let the others in:`);
    say(`  sallyport devices unblock --blocked-by ${blocked.by}`);
  }
  if (missing.length === 0) return;
  say('Known of it:');
  for (const each of missing) say(`  ${line(each)}`);
}

const line = ({ what, subject, atMs }: Missing): string => `${iso(atMs)}  ${what}: ${subject}`;
