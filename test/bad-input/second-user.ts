import { hashPassword } from '#kernel/crypto/password.ts';
import type { MeshFacts } from '#services/cli/mesh/mesh-of-state.ts';
import { onDatabase } from '../mesh-database.ts';

const user = 'bob';
const password = 'a second pass phrase';

/** The demo has one user; this writes another into the database, past the mesh. Harmless when repeated. */
export async function secondUser(mesh: MeshFacts): Promise<{ user: string; password: string }> {
  await onDatabase(mesh, async (connection) => {
    const now = Date.now();
    await connection.execute(
      'insert ignore into users (name, display_name, password_hash, disabled, created_ms, updated_ms) values (?, ?, ?, 0, ?, ?)',
      [user, 'Bob', await hashPassword(password), now, now],
    );
    await connection.execute('insert ignore into user_groups (user, group_name) values (?, ?)', [
      user,
      'staff',
    ]);
  });
  return { user, password };
}
