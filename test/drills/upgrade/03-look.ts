import type { RowDataPacket } from 'mysql2/promise';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { onDatabase } from '../../mesh-database.ts';
import type { Step } from '../drill.ts';
import { columnOf } from './extra-migrations.ts';
import { release } from './releases.ts';

/** An upgrade that has not migrated anything would prove nothing. */
export const step: Step = async ({ mesh, watch }) => {
  const column = columnOf(release.migrations);
  const [rows] = await onDatabase(runningMesh(mesh.stateDir), (connection) =>
    connection.query<RowDataPacket[]>(`show columns from sessions like '${column}'`),
  );
  if (rows.length !== 1) throw new Error(`N+1 has not added ${column}`);
  await watch(2000);
};
