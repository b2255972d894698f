import { existsSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { secretsDir } from '#compose/topology/paths.ts';
import { SallyportError } from '#core/errors/error.ts';
import { writeStateFile } from '#kernel/config/state-file.ts';
import { documents, snapshotIds } from '#services/db-agent/backup/documents.ts';
import { makeFolders } from '#services/db-agent/backup/folder-store.ts';
import type { BackupJob } from '#services/db-agent/backup/job.ts';
import { type BackupKey, makeKeyFile, readKeyFile } from '#services/db-agent/backup/seal.ts';
import { openStore } from '#services/db-agent/backup/store.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import type { Outcome } from '../report.ts';
import { absoluteTarget, jobFile, scheduledJob } from './target.ts';

export interface ScheduleOptions extends CommonOptions {
  readonly to?: string;
  readonly keyFile?: string;
  readonly credentials?: string;
  readonly hostKey?: string;
  readonly every?: number;
  readonly logEvery?: number;
  readonly keepHours?: number;
  readonly keepDays?: number;
  readonly off?: boolean;
}

/** `sallyport backup schedule`: what is not said stays as it was. */
export async function runSchedule(o: ScheduleOptions, command: CommandContext): Promise<Outcome> {
  const { stateDir, cwd, report } = command;
  if (o.off) {
    rmSync(jobFile(stateDir), { force: true });
    report.say('No backups are made any more. Those that there are stay.');
    return { ok: true, items: { items: [] } };
  }
  const before = scheduledJob(stateDir);
  if (!existsSync(join(stateDir, 'pki'))) {
    throw new SallyportError('NOT_FOUND', {
      message: `there is no mesh in ${stateDir}`,
      hint: 'name its folder with --state, or make one first: `sallyport up`',
    });
  }
  const target = o.to === undefined ? before?.target : absoluteTarget(o.to, cwd);
  if (target === undefined) throw new SallyportError('BACKUP_NOT_SCHEDULED');
  const seconds = (value: number | undefined, otherwise: number): number => value ?? otherwise;
  const keyFile =
    o.keyFile === undefined
      ? (before?.keyFile ?? join(secretsDir({ stateDir }), 'backup.key'))
      : resolve(cwd, o.keyFile);
  const credentialsFile = o.credentials === undefined ? before?.credentialsFile : resolve(cwd, o.credentials);
  const hostKey = o.hostKey ?? before?.hostKey;
  const job: BackupJob = {
    ...{ version: 1, target, keyFile },
    ...(credentialsFile !== undefined && { credentialsFile }),
    ...(hostKey !== undefined && { hostKey }),
    everySeconds: seconds(o.every, before?.everySeconds ?? 300),
    logSeconds: seconds(o.logEvery, before?.logSeconds ?? 5),
    keepHours: seconds(o.keepHours, before?.keepHours ?? 24),
    keepDays: seconds(o.keepDays, before?.keepDays ?? 14),
  };
  const made = !existsSync(keyFile);
  if (made) {
    try {
      await makeFolders(dirname(keyFile));
      await makeKeyFile(keyFile);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const message = `${keyFile} cannot be made: ${why}`;
      throw new SallyportError('BACKUP_KEY_WRONG', {
        message,
        hint: 'name another one with --key-file',
        cause,
      });
    }
  }
  const key = await readKeyFile(keyFile);
  // What is wrong is told now, not by a log in five minutes.
  try {
    await tryOut(job, key);
  } catch (error) {
    if (made) rmSync(keyFile);
    throw error;
  }
  writeStateFile(jobFile(stateDir), job, { flush: true });
  report.say(
    job.everySeconds === 0
      ? `Snapshots go to ${target} when you ask for them, the log every ${job.logSeconds} s.`
      : `A snapshot goes to ${target} every ${job.everySeconds} s, the log every ${job.logSeconds} s.`,
  );
  report.say(
    `Key ${key.id}${made ? ', made just now,' : ''} in ${keyFile}: it is in no backup, and without it none can`,
  );
  report.say('be read. Keep a copy of that file elsewhere.');
  return { ok: true, items: { items: [job], keyId: key.id, keyMade: made } };
}

async function tryOut(job: BackupJob, key: BackupKey): Promise<void> {
  const store = await openStore(job);
  try {
    const newest = (await snapshotIds(store)).at(-1);
    if (newest !== undefined) await documents(store, key).manifest(newest);
    await store.put('writable', Buffer.from('sallyport backup\n'));
  } finally {
    await store.close();
  }
}
