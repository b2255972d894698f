import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { secretsDir, socketPath } from '#compose/topology/paths.ts';
import { podsOf } from '#compose/topology/query.ts';
import type { Step } from '../drill.ts';
import { columnOf } from './extra-migrations.ts';
import { release } from './releases.ts';

/** An upgrade that has not migrated anything would prove nothing. */
export const step: Step = async ({ mesh, watch }) => {
  const { topology } = mesh;
  const [pod] = podsOf(topology, 'security');
  if (pod === undefined) throw new Error('there is no security pod');
  const { app } = JSON.parse(readFileSync(join(secretsDir(topology), 'database.json'), 'utf8')) as {
    app: string;
  };
  const connection = await createConnection({
    socketPath: socketPath(topology, pod.name, 'db-rw'),
    user: 'sallyport',
    password: app,
    database: 'sallyport',
    connectTimeout: 10_000,
  });
  try {
    const column = columnOf(release.migrations);
    const [rows] = await connection.query<RowDataPacket[]>(`show columns from sessions like '${column}'`);
    if (rows.length !== 1) throw new Error(`N+1 has not added ${column}`);
  } finally {
    await connection.end();
  }
  await watch(2000);
};
