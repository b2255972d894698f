import { mkdir } from 'node:fs/promises';
import { openPart, unpack } from './archive.ts';
import { type Documents, type Manifest, names } from './documents.ts';
import { type BackupKey, unwrapDataKey } from './seal.ts';
import type { BackupStore } from './store.ts';

export interface Source {
  readonly store: BackupStore;
  readonly documents: Documents;
  readonly key: BackupKey;
}

/** The pieces of a snapshot, opened; each is checked before it is given. @throws BACKUP_DAMAGED, BACKUP_KEY_WRONG */
export async function* openSnapshot(
  { store, key }: Source,
  manifest: Manifest,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const dataKey = unwrapDataKey(key, manifest.wrappedKey);
  for (const [index, part] of manifest.parts.entries()) {
    signal?.throwIfAborted();
    yield openPart(manifest, dataKey, index, await store.get(names.part(manifest.id, part)));
  }
}

/** Fetches a snapshot into an empty folder: `data` and `state`. @throws BACKUP_DAMAGED, BACKUP_KEY_WRONG */
export async function fetchSnapshot(
  source: Source,
  manifest: Manifest,
  folder: string,
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await unpack(openSnapshot(source, manifest, signal), folder, names.snapshot(manifest.id));
}
