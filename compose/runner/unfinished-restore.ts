import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SallyportError } from '#core/errors/error.ts';

/** Is there while `sallyport backup restore` puts things in their places. */
export const installingMark = (stateDir: string): string => join(stateDir, 'restore.installing');

/** The key of the backups, as long as {@link installingMark} is there. */
export const installingKey = (stateDir: string): string => join(stateDir, 'restore.key');

/** @throws START_FAILED when a restore was cut off there: half of what is in the folder is of another time */
export function refuseHalfRestored(stateDir: string): void {
  if (!existsSync(installingMark(stateDir))) return;
  throw new SallyportError('START_FAILED', {
    message: `a restore into ${stateDir} was cut off`,
    hint: 'run `sallyport backup restore` again; what was there before lies in before-restore-…',
  });
}
