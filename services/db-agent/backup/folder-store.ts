import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
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
        await makeFolders(dirname(path(name)));
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
        // Without O_NONBLOCK a FIFO would be waited for; it is no more an object here than a folder is.
        const file = await open(path(name), constants.O_RDONLY | constants.O_NONBLOCK);
        try {
          return (await file.stat()).isFile() ? await file.readFile() : undefined;
        } finally {
          await file.close();
        }
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw targetError(`cannot read ${path(name)}`, error);
      }
    },
    list: async (folder) => {
      try {
        const found = await readdir(path(folder), { recursive: true, withFileTypes: true });
        const below = found.filter((each) => each.isFile() && !each.name.endsWith(unfinished));
        return below.map((each) => relative(root, join(each.parentPath, each.name))).sort();
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

/** As mkdir's own `recursive`, which never ends where the system says that a parent is there and is not (/proc). */
export async function makeFolders(folder: string): Promise<void> {
  const make = async (): Promise<string | undefined> => {
    try {
      await mkdir(folder, { mode: 0o700 });
      return undefined;
    } catch (error) {
      if (isMissing(error) && dirname(folder) !== folder) return dirname(folder);
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined;
      throw error;
    }
  };
  const parent = await make();
  if (parent === undefined) return;
  await makeFolders(parent);
  if ((await make()) !== undefined) throw new Error(`${folder} cannot be made`);
}

async function removeIfEmpty(folder: string): Promise<void> {
  const left = await readdir(folder).catch(() => ['unknown']);
  if (left.length === 0) await rm(folder, { recursive: true, force: true });
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
