import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { withLock } from '#compose/parts/lock.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { KeptSettings } from '#compose/runner/settings.ts';
import { installingKey, installingMark } from '#compose/runner/unfinished-restore.ts';
import { dataDir, secretsDir } from '#compose/topology/paths.ts';
import { replaceFile } from '#kernel/config/state-file.ts';
import { makeFolders } from '#services/db-agent/backup/folder-store.ts';
import { stateNames } from '#services/db-agent/backup/snapshot.ts';
import { serverUuid } from '#services/db-agent/my-cnf.ts';
import { refuseIfRunning } from '../mesh/wipe.ts';

export interface InstallOptions {
  readonly stateDir: string;
  /** What restoreData has made: `data` and `state`. */
  readonly folder: string;
  readonly keyFile: string;
  readonly parts: PartsOptions;
  /** Names the folder for what was there before. */
  readonly name: string;
}

const run = promisify(execFile);

/**
 * Puts restored keys, settings and data in their places, a copy of the data for each database node, which form a group
 * of a new name: no node of an earlier era can join it. What was there is moved aside. While it goes on no mesh starts
 * on the folder; run again, a restore that was cut off here is made good.
 */
export async function install(o: InstallOptions): Promise<{ readonly aside: string | undefined }> {
  const { stateDir, folder, keyFile } = o;
  // The key is in no backup, and may lie among what is moved: whoever runs this again finds it.
  const inside = keyFile.startsWith(`${stateDir}/`);
  if (inside && existsSync(keyFile)) await copyFile(keyFile, installingKey(stateDir));
  await withLock(join(stateDir, 'start.lock'), 'starting on this state folder', o.parts, async () => {
    refuseIfRunning(stateDir);
    await writeFile(installingMark(stateDir), o.name, { flush: true });
  });
  const aside = join(stateDir, `before-restore-${o.name}`);
  const moved = [...stateNames, 'pods'].filter((name) => existsSync(join(stateDir, name)));
  if (moved.length > 0) await mkdir(aside, { recursive: true, mode: 0o700 });
  for (const name of moved) await rename(join(stateDir, name), join(aside, name));
  for (const name of stateNames) {
    if (existsSync(join(folder, 'state', name)))
      await rename(join(folder, 'state', name), join(stateDir, name));
  }
  if (inside && !existsSync(keyFile)) {
    await makeFolders(dirname(keyFile));
    await copyFile(installingKey(stateDir), keyFile);
  }
  const groupName = randomUUID();
  replaceFile(join(secretsDir({ stateDir }), 'group-name'), `${groupName}\n`, { flush: true });
  const count = new KeptSettings(stateDir).sizes.db ?? 3;
  for (let n = 0; n < count; n += 1) {
    const pod = `db-${n}`;
    const to = dataDir({ stateDir, runDir: '' }, pod);
    await mkdir(join(to, '..'), { recursive: true, mode: 0o700 });
    await run('cp', ['-a', '--sparse=always', '--reflink=auto', join(folder, 'data'), to]);
    await writeFile(join(to, 'auto.cnf'), `[auto]\nserver-uuid=${serverUuid(groupName, pod)}\n`);
  }
  await run('sync', ['-f', stateDir]);
  await rm(installingMark(stateDir));
  await rm(installingKey(stateDir), { force: true });
  await rm(folder, { recursive: true });
  return { aside: moved.length > 0 ? aside : undefined };
}
