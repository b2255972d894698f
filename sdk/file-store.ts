import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { decodeEnrolment, encodeEnrolment } from './enrolment.ts';
import type { EnrolmentStore } from './enrolment-store.ts';

/** A file that only its owner may read (0600), replaced atomically. Its folder must exist. */
export function fileStore(path: string): EnrolmentStore {
  return {
    load: async () => {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
      return text === undefined ? undefined : decodeEnrolment(text);
    },
    save: async (enrolment) => {
      const temporary = `${path}.${randomBytes(6).toString('hex')}`;
      try {
        await writeDurably(temporary, encodeEnrolment(enrolment));
        await rename(temporary, path);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
      await syncFolder(dirname(path));
    },
    remove: () => rm(path, { force: true }),
  };
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The new name survives a crash only when the folder was written too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
