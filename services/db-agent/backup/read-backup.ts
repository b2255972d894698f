import type { Manifest } from './documents.ts';
import { openSnapshot, type Source } from './fetch-snapshot.ts';
import { fetchLog, logAfter } from './log-segment.ts';
import { withScratch } from './scratch.ts';

/**
 * Reads and checks every byte of a snapshot and of the log after it; gives how many stretches of the log there are, and
 * what is damaged of which this snapshot needs nothing.
 * @throws BACKUP_DAMAGED, BACKUP_KEY_WRONG, BACKUP_TARGET
 */
export async function readBackup(
  source: Source,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<{ readonly segments: number; readonly passedOver: readonly string[] }> {
  for await (const _ of openSnapshot(source, manifest, signal));
  const { stretches, passedOver } = logAfter(manifest, await source.documents.log());
  await withScratch((scratch) => fetchLog(source, stretches, scratch));
  const { damaged } = await source.documents.lastEra();
  return {
    segments: stretches.reduce((sum, { from, to }) => sum + to - from, 0),
    passedOver: [...passedOver, ...damaged],
  };
}
