import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { secretsDir, socketPath } from '#compose/topology/paths.ts';
import { podsOf } from '#compose/topology/query.ts';
import { openDb } from '#kernel/db/open-db.ts';
import type { OwnMesh } from '#test/mesh.ts';

const batch = 1000;

/** Adds users with a group, an enrolled device and its sealed key each, as rows: enrolling so many would take an hour. */
export async function fill(mesh: OwnMesh, count: number, signal: AbortSignal): Promise<void> {
  const [pod] = podsOf(mesh.topology, 'security');
  const password = readFileSync(join(secretsDir(mesh), 'db-app-password'), 'utf8').trim();
  const socket = socketPath(mesh.topology, pod?.name ?? '', 'db-rw');
  const db = openDb({ socketPath: socket, user: 'sallyport', password, deadlineMs: 120_000 });
  const now = Date.now();
  try {
    for (let from = 0; from < count; from += batch) {
      signal.throwIfAborted();
      const names = Array.from({ length: batch }, (_, n) => `user-${from + n}`);
      const rows = (of: (name: string) => ReturnType<typeof sql>) => sql.join(names.map(of));
      await db.tx(
        async (trx) => {
          await sql`insert ignore into users (name, display_name, created_ms, updated_ms) values
            ${rows((name) => sql`(${name}, ${name}, ${now}, ${now})`)}`.execute(trx);
          await sql`insert ignore into user_groups (user, group_name) values
            ${rows((name) => sql`(${name}, 'staff')`)}`.execute(trx);
          await sql`insert ignore into shared_keys
            (route_key, device_id, device_name, user, app_id, platform, sealed_key, created_ms) values
            ${rows(
              (
                name,
              ) => sql`(${randomBytes(16).toString('base64url')}, ${randomBytes(16).toString('base64url')}, 'phone',
                ${name}, 'com.example.field', 'linux', ${randomBytes(72)}, ${now})`,
            )}`.execute(trx);
        },
        { idempotent: true, deadlineMs: 120_000 },
      );
    }
  } finally {
    await db.close();
  }
}
