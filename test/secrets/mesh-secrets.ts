import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { secretsDir } from '#compose/topology/paths.ts';
import { rootKeyProvider } from '#kernel/crypto/root-key-providers.ts';
import { openRow, sealedUnder } from '#kernel/crypto/sealed-row.ts';
import { unwrapKey } from '#kernel/crypto/wrap-key.ts';
import type { MeshFacts } from '#services/cli/mesh/mesh-of-state.ts';
import { onDatabase } from '../mesh-database.ts';
import { filesBelow } from '../mesh-files.ts';
import type { Needles } from './needles.ts';

/** What a mesh was made with: passwords of the database and the demo, the root key, private keys of certificates. */
export function addMade(needles: Needles, { stateDir }: Pick<MeshFacts, 'stateDir'>): void {
  const read = (name: string): string => readFileSync(join(secretsDir({ stateDir }), name), 'utf8').trim();
  const accounts = JSON.parse(read('database.json')) as Record<string, string>;
  for (const [account, password] of Object.entries(accounts))
    needles.addText(`password of the database account ${account}`, password);
  needles.addText('password of the demo user', read('demo-password'));
  needles.addKey('root key', Buffer.from(read('root.key'), 'base64'));
}

const rowsOf = (mesh: MeshFacts, query: string): Promise<RowDataPacket[]> =>
  onDatabase(mesh, async (connection) => (await connection.query<RowDataPacket[]>(query))[0]);

/** What the mesh has made for itself and sealed: data keys, and under them identity, HPKE, MAC and assertion keys. */
export async function addSealed(needles: Needles, mesh: MeshFacts): Promise<void> {
  const path = join(secretsDir(mesh), 'root.key');
  const { current, older } = await rootKeyProvider({ from: 'file', path }, {}).keys();
  const dataKeys = new Map<number, Uint8Array>();
  for (const { id, root_key_id, wrapped } of await rowsOf(mesh, 'select * from data_keys')) {
    const root = [current, ...older].find((key) => key.id === root_key_id);
    if (root === undefined) throw new Error('a data key is under another root key');
    const key = unwrapKey(root, Number(id), wrapped);
    dataKeys.set(Number(id), key);
    needles.addKey(`data key ${id}`, key);
  }
  for (const { kind, key_id, sealed_secret } of await rowsOf(mesh, 'select * from server_keys')) {
    const name = { table: 'server_keys', row: `${kind}/${key_id}`, column: 'sealed_secret' };
    const id = sealedUnder(name, sealed_secret);
    const key = dataKeys.get(id);
    if (key === undefined) throw new Error('a server key is under an unknown data key');
    needles.addKey(`${kind} key of the tier`, openRow({ id, key }, name, sealed_secret));
  }
}

/** Private keys of certificates, by the file that each was read from. */
export function addPrivateKeys(needles: Needles, stateDir: string): void {
  for (const { path, bytes } of filesBelow(join(stateDir, 'pods'), (at) => at.endsWith('/data'))) {
    if (!path.endsWith('tls.key')) continue;
    const lines = bytes.toString('latin1').split('\n');
    // The first line holds little but the kind of key.
    needles.addText(`private key ${path.slice(stateDir.length)}`, lines[2] ?? '');
  }
}
