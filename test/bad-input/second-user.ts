import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { secretsDir, socketPath } from '#compose/topology/paths.ts';
import { hashPassword } from '#kernel/crypto/password.ts';
import type { MeshFacts } from '#services/cli/mesh/mesh-of-state.ts';

const user = 'bob';
const password = 'a second pass phrase';

/** The demo has one user; this writes another into the database, past the mesh. Harmless when repeated. */
export async function secondUser(mesh: MeshFacts): Promise<{ user: string; password: string }> {
  const { stateDir, state } = mesh;
  const connection = await createConnection({
    socketPath: socketPath({ stateDir, runDir: state.runDir }, 'sec-0', 'db-rw'),
    user: 'sallyport',
    password: readFileSync(join(secretsDir({ stateDir }), 'db-app-password'), 'utf8').trim(),
    database: 'sallyport',
  });
  try {
    const now = Date.now();
    await connection.execute(
      'insert ignore into users (name, display_name, password_hash, disabled, created_ms, updated_ms) values (?, ?, ?, 0, ?, ?)',
      [user, 'Bob', await hashPassword(password), now, now],
    );
    await connection.execute('insert ignore into user_groups (user, group_name) values (?, ?)', [
      user,
      'staff',
    ]);
  } finally {
    await connection.end();
  }
  return { user, password };
}
