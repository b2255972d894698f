import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { SallyportError } from '#core/errors/error.ts';

/**
 * Sees to it that a folder is there, and that this user alone can come in. Those below the system's folder
 * for temporary files have names that anybody can guess: whoever made one first could put sockets of his own
 * in place of ours, and be told passwords.
 * @throws START_FAILED when it is another user's, or no folder
 */
export function ensureOwnFolder(dir: string, uid: number): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const found = lstatSync(dir);
  if (!found.isDirectory() || found.uid !== uid) {
    throw new SallyportError('START_FAILED', {
      message: `${dir} is not a folder of this user (${uid}) but ${found.isDirectory() ? `of user ${found.uid}` : 'something else'}`,
      hint: 'somebody else has made it: have it removed, or set TMPDIR to a folder of your own with a short path',
    });
  }
  if ((found.mode & 0o077) !== 0) chmodSync(dir, 0o700);
}
