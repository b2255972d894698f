import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Env } from './options.ts';

/** Whether `file` (symlinks followed) is a regular file that this user may execute. */
export async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    // Absent, unreadable and not executable are the same answer here.
    return false;
  }
}

/** Every executable called `name` in the folders of PATH, in PATH's order. */
export async function executablesOnPath(name: string, env: Env): Promise<string[]> {
  const found: string[] = [];
  for (const dir of new Set((env.PATH ?? '').split(path.delimiter))) {
    // An empty or relative entry means the current folder: nothing is run from there.
    if (!path.isAbsolute(dir)) continue;
    const file = path.join(dir, name);
    if (await isExecutable(file)) found.push(file);
  }
  return found;
}

/** The first executable with one of `names`, names before folders; undefined if there is none. */
export async function firstOnPath(names: readonly string[], env: Env): Promise<string | undefined> {
  for (const name of names) {
    const [file] = await executablesOnPath(name, env);
    if (file !== undefined) return file;
  }
  return undefined;
}
