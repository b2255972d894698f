import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, startTimeOf } from '#kernel/lifecycle/process-identity.ts';

const prefix = 'sallyport-scratch-';

/**
 * Gives `body` an empty folder that only this user can look into, and removes it however `body` ends. Its name tells
 * whose it is: what a killed process has left, with data in the clear in it, goes at the next call.
 */
export async function withScratch<T>(body: (folder: string) => Promise<T>, parent = tmpdir()): Promise<T> {
  await sweepScratch(parent);
  const folder = await mkdtemp(join(parent, `${prefix}${process.pid}-${startTimeOf(process.pid)}-`));
  try {
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Removes what processes of this user have left that are gone. */
export async function sweepScratch(parent = tmpdir()): Promise<void> {
  for (const name of await ownFolders(parent)) {
    const [, pid, startTime] = /^(\d+)-(.+)-[^-]+$/.exec(name.slice(prefix.length)) ?? [];
    if (pid !== undefined && startTime !== undefined && !isAlive({ pid: Number(pid), startTime }))
      await rm(join(parent, name), { recursive: true, force: true });
  }
}

async function ownFolders(parent: string): Promise<string[]> {
  const own: string[] = [];
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue;
    // Undefined: its owner has just removed it.
    const is = await lstat(join(parent, name)).catch(() => undefined);
    if (is?.isDirectory() && is.uid === (process.getuid?.() ?? is.uid)) own.push(name);
  }
  return own;
}
