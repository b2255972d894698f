import { existsSync } from 'node:fs';
import { mkdtemp, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Says, inside a folder of the cache, that all of it is there. */
const COMPLETE = '.complete';

/** Whether `dir` was put in place whole. */
export function isComplete(dir: string): boolean {
  return existsSync(path.join(dir, COMPLETE));
}

/** Marks `dir` as not whole, so that it is fetched again. */
export async function forget(dir: string): Promise<void> {
  await rm(path.join(dir, COMPLETE), { force: true });
}

/**
 * Gives `body` an empty folder beside `target`, and removes it however `body` ends. The caller holds the lock of
 * `target`; other temporary folders of it are therefore those of killed processes, and removed first.
 */
export async function withTempFolder<T>(target: string, body: (tmp: string) => Promise<T>): Promise<T> {
  const prefix = `${path.basename(target)}.tmp.`;
  const parent = path.dirname(target);
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix)) await remove(path.join(parent, name));
  }
  const tmp = await mkdtemp(path.join(parent, prefix));
  try {
    return await body(tmp);
  } finally {
    await remove(tmp);
  }
}

/**
 * Renames the finished folder `out` to `target`, marked as complete; a folder that is there already goes to `tmp`.
 * Whoever reads `target` sees all of it or nothing.
 */
export async function replaceFolder(out: string, target: string, tmp: string): Promise<void> {
  await writeFile(path.join(out, COMPLETE), '', { flush: true });
  if (existsSync(target)) await rename(target, path.join(tmp, 'replaced'));
  await rename(out, target);
}

/** Brings every file of a folder to the disk: what is renamed into place must survive a power cut whole. */
export async function syncFolder(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = await open(path.join(entry.parentPath, entry.name), 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

/** A child of a killed process may still be writing there for a moment, hence the retries. */
async function remove(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true, maxRetries: 8, retryDelay: 100 });
}
