import { SallyportError } from '#core/errors/error.ts';
import { type Manifest, snapshotIds } from './documents.ts';
import type { Source } from './fetch-snapshot.ts';

/**
 * The snapshot by that id, else the newest, else the newest that was taken, whole, before `beforeMs`.
 * @throws NOT_FOUND, and as documents() do
 */
export async function chooseSnapshot(
  { store, documents }: Source,
  wanted: { readonly id?: string | undefined; readonly beforeMs?: number | undefined },
): Promise<Manifest> {
  if (wanted.id !== undefined) return documents.manifest(wanted.id);
  for (const id of (await snapshotIds(store)).toReversed()) {
    const manifest = await documents.manifest(id);
    // As of a little after takenAtMs: whoever names a time must not get what came after it.
    if (wanted.beforeMs === undefined || manifest.takenAtMs + manifest.tookMs <= wanted.beforeMs)
      return manifest;
  }
  throw noBackup(wanted.beforeMs !== undefined);
}

export const noBackup = (before = false): SallyportError =>
  new SallyportError('NOT_FOUND', {
    message: before ? 'there is no backup from before that time' : 'there is no backup',
    hint: before
      ? '`sallyport backup list` shows what there is'
      : 'look at where they are, or make one: `backup now`',
  });
