import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Connection, createConnection } from 'mysql2/promise';
import { secretsDir, socketPath } from '#compose/topology/paths.ts';
import type { MeshFacts } from '#services/cli/mesh/mesh-of-state.ts';

/** Runs on a mesh's database, past the mesh: as a security pod reaches the primary, with its account. */
export async function onDatabase<T>(
  { stateDir, state }: Pick<MeshFacts, 'stateDir' | 'state'>,
  run: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await createConnection({
    socketPath: socketPath({ stateDir, runDir: state.runDir }, 'sec-0', 'db-rw'),
    user: 'sallyport',
    password: readFileSync(join(secretsDir({ stateDir }), 'db-app-password'), 'utf8').trim(),
    database: 'sallyport',
  });
  try {
    return await run(connection);
  } finally {
    await connection.end();
  }
}
