import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Manifest } from './documents.ts';
import { openSnapshot, type Source } from './fetch-snapshot.ts';
import { fetchLog, findLog } from './log-segment.ts';

/**
 * Reads and checks every byte of a snapshot and of the log after it; gives how many stretches of the log there are.
 * @throws BACKUP_DAMAGED, BACKUP_KEY_WRONG, BACKUP_TARGET
 */
export async function readBackup(source: Source, manifest: Manifest, signal?: AbortSignal): Promise<number> {
  for await (const _ of openSnapshot(source, manifest, signal));
  const { stretches } = await findLog(source, manifest);
  const scratch = await mkdtemp(join(tmpdir(), 'sallyport-read-'));
  try {
    await fetchLog(source, stretches, scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return stretches.reduce((sum, { from, to }) => sum + to - from, 0);
}
