import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type BackupStore, targetError } from './store.ts';

/** Ends names of what is being written; never listed. */
const unfinished = '.part';

/** A folder of this machine, or one that is mounted here. */
export function folderStore(root: string): BackupStore {
  const path = (name: string): string => join(root, name);
  return {
    put: async (name, bytes) => {
      // Always the same: what a killed sender left is written over by whoever goes on.
      const temporary = `${path(name)}${unfinished}`;
      try {
        await mkdir(dirname(path(name)), { recursive: true, mode: 0o700 });
        const file = await open(temporary, 'w', 0o600);
        try {
          await file.writeFile(bytes);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(temporary, path(name));
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined);
        throw targetError(`cannot write ${path(name)}`, error);
      }
    },
    get: async (name) => {
      try {
        return await readFile(path(name));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw targetError(`cannot read ${path(name)}`, error);
      }
    },
    list: async (folder) => {
      try {
        const found = await readdir(path(folder), { recursive: true, withFileTypes: true });
        const below = found.filter((each) => each.isFile() && !each.name.endsWith(unfinished));
        return below.map((each) => join(each.parentPath, each.name).slice(root.length + 1)).sort();
      } catch (error) {
        if (isMissing(error)) return [];
        throw targetError(`cannot list ${path(folder)}`, error);
      }
    },
    remove: async (name) => {
      try {
        await rm(path(name), { force: true });
        await removeIfEmpty(dirname(path(name)));
      } catch (error) {
        throw targetError(`cannot remove ${path(name)}`, error);
      }
    },
    close: () => Promise.resolve(),
  };
}

async function removeIfEmpty(folder: string): Promise<void> {
  const left = await readdir(folder).catch(() => ['unknown']);
  if (left.length === 0) await rm(folder, { recursive: true, force: true });
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
