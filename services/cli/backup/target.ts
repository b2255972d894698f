import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { installingKey, installingMark } from '#compose/runner/unfinished-restore.ts';
import { SallyportError } from '#core/errors/error.ts';
import { readStateFile } from '#kernel/config/state-file.ts';
import { documents } from '#services/db-agent/backup/documents.ts';
import type { Source } from '#services/db-agent/backup/fetch-snapshot.ts';
import { type BackupJob, backupJob } from '#services/db-agent/backup/job.ts';
import { readKeyFile } from '#services/db-agent/backup/seal.ts';
import { openStore } from '#services/db-agent/backup/store.ts';
import type { CommandContext, CommonOptions } from '../command.ts';

export interface TargetOptions extends CommonOptions {
  readonly from?: string;
  readonly keyFile?: string;
  readonly credentials?: string;
  readonly hostKey?: string;
}

export const jobFile = (stateDir: string): string => join(stateDir, 'backup.json');

/** What is scheduled for a mesh. @throws CONFIG_INVALID when the file cannot be read */
export const scheduledJob = (stateDir: string): BackupJob | undefined =>
  readStateFile(jobFile(stateDir), backupJob, {
    what: 'a schedule of backups',
    hint: 'remove it, and schedule them again',
  });

/** Where backups are, if it is not where the mesh's schedule says. */
export function withTarget(command: Command): Command {
  return command
    .option('--from <target>', 'where the backups are (default: as scheduled)')
    .option('--key-file <file>', 'the key that they were made with (default: as scheduled)')
    .addOption(credentialsOption())
    .addOption(hostKeyOption());
}

export const credentialsOption = (): Option =>
  new Option('--credentials <file>', 'sftp: private key; s3: JSON with accessKeyId and secretAccessKey');
export const hostKeyOption = (): Option =>
  new Option('--host-key <fingerprint>', "sftp: SHA256:… of the server's key");

/** A folder as it is meant from here; anything else as it stands. */
export const absoluteTarget = (target: string, cwd: string): string =>
  /^[a-z0-9]+:\/\//.test(target) ? target : resolve(cwd, target);

/** Opens the store and runs `body` with it. @throws BACKUP_NOT_SCHEDULED, BACKUP_KEY_WRONG, BACKUP_TARGET */
export async function withSource<T>(
  options: TargetOptions,
  { stateDir, cwd }: CommandContext,
  body: (source: Source, keyFile: string) => Promise<T>,
): Promise<T> {
  const job = scheduledJob(stateDir);
  const target = options.from === undefined ? job?.target : absoluteTarget(options.from, cwd);
  const keyFile = options.keyFile === undefined ? job?.keyFile : resolve(cwd, options.keyFile);
  if (target === undefined || keyFile === undefined) {
    throw new SallyportError('BACKUP_NOT_SCHEDULED', {
      hint: 'say where they are and under which key: --from TARGET --key-file FILE',
    });
  }
  // A restore that was cut off may have moved it aside, and keeps it here.
  const kept = installingKey(stateDir);
  const cutOff =
    keyFile.startsWith(`${stateDir}/`) &&
    !existsSync(keyFile) &&
    [installingMark(stateDir), kept].every((file) => existsSync(file));
  const key = await readKeyFile(cutOff ? kept : keyFile);
  const credentials = options.credentials === undefined ? undefined : resolve(cwd, options.credentials);
  const store = await openStore({
    target,
    credentialsFile: credentials ?? (options.from === undefined ? job?.credentialsFile : undefined),
    hostKey: options.hostKey ?? (options.from === undefined ? job?.hostKey : undefined),
  });
  try {
    return await body({ store, key, documents: documents(store, key) }, keyFile);
  } finally {
    await store.close();
  }
}
