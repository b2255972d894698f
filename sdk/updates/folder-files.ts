import { openAsBlob } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { SallyportError } from '../../core/errors/error.ts';
import type { UpdateFiles } from './update-files.ts';

/** In a folder that is made when it is needed, for its owner only; the app is given paths. */
export function folderFiles(dir: string): UpdateFiles<string> {
  const at = (name: string): string => join(dir, name);
  const sizeOf = async (name: string): Promise<number> =>
    (await stat(at(name)).catch(unlessMissing))?.size ?? 0;
  return {
    read: async (name) => ((await sizeOf(name)) > 0 ? openAsBlob(at(name)) : undefined),
    append: async (name) => {
      await mkdir(dirname(at(name)), { recursive: true, mode: 0o700 });
      const file = await open(at(name), 'a', 0o600);
      return {
        write: async (data) => {
          for (let done = 0; done < data.length; ) {
            done += (await file.write(data, done)).bytesWritten;
          }
        },
        close: async () => {
          try {
            await file.sync();
          } finally {
            await file.close();
          }
        },
      };
    },
    rename: async (from, to) => {
      if ((await stat(at(from)).catch(unlessMissing)) === undefined) throw missing(from);
      await rename(at(from), at(to));
    },
    remove: (name) => rm(at(name), { force: true }),
    names: async () => {
      const found = await readdir(dir, { recursive: true, withFileTypes: true }).catch(unlessMissing);
      return (found ?? [])
        .filter((each) => each.isFile())
        .map((each) => relative(dir, join(each.parentPath, each.name)));
    },
    handOver: async (name) => {
      if ((await sizeOf(name)) === 0) throw missing(name);
      return at(name);
    },
  };
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

const missing = (name: string): SallyportError =>
  new SallyportError('NOT_FOUND', { message: `there is no file ${name}` });
