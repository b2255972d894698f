import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packFolder } from '#services/db-agent/backup/archive.ts';
import { documents, type Manifest } from '#services/db-agent/backup/documents.ts';
import { folderStore } from '#services/db-agent/backup/folder-store.ts';
import { type BackupKey, makeKeyFile, newDataKey, readKeyFile } from '#services/db-agent/backup/seal.ts';

/** Bytes that zstd cannot make fewer: three pieces. */
const bytes = 8.5 * 2 ** 20;

/** A snapshot of nothing in particular in `dir`/spool, packed and not sent, under a new key in `dir`/key. */
export async function spoolSnapshot(dir: string, id: string): Promise<BackupKey> {
  const [tree, folder] = [join(dir, 'tree'), join(dir, 'spool', id)];
  await mkdir(tree, { recursive: true });
  await mkdir(folder, { recursive: true });
  await writeFile(join(tree, 'data'), randomBytes(bytes));
  await makeKeyFile(join(dir, 'key'));
  const key = await readKeyFile(join(dir, 'key'));
  const data = newDataKey(key);
  const parts: Manifest['parts'] = [];
  for await (const { part, sealed } of packFolder(tree, { id, key: data.key })) {
    await writeFile(join(folder, part.name), sealed);
    parts.push(part);
  }
  const manifest = {
    ...{ version: 1 as const, id, meshId: '0123456789abcdef', pod: 'db-0', mysql: '9.7', parts },
    ...{ takenAtMs: 1, tookMs: 1, wrappedKey: data.wrapped, log: { stream: 'none', seq: 0 } },
    witness: { file: 'binlog.000001', position: 4, gtid: '', tables: {} },
  };
  const { signManifest } = documents(folderStore(dir), key);
  await writeFile(join(folder, 'manifest'), signManifest(manifest));
  return key;
}
