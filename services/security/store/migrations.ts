import type { Migration } from '#kernel/db/migrate.ts';
import { kernelMigrations } from '#kernel/db/migrations.ts';
import { scheduleMigrations } from '#services/tasks/schedules/migrations-schedules.ts';
import { taskMigrations } from '#services/tasks/store/migrations-tasks.ts';
import { catalogMigrations } from './migrations-catalog.ts';
import { deviceMigrations } from './migrations-devices.ts';
import { directoryMigrations } from './migrations-directory.ts';
import { keyMigrations } from './migrations-keys.ts';
import { policyMigrations } from './migrations-policy.ts';
import { scimMigrations } from './migrations-scim.ts';
import { sessionMigrations } from './migrations-sessions.ts';
import { sourceMigrations } from './migrations-sources.ts';

/** The whole schema of the security tier, in the order in which it is applied. */
export const securityMigrations: readonly Migration[] = [
  ...kernelMigrations,
  ...keyMigrations,
  ...sessionMigrations,
  ...directoryMigrations,
  ...deviceMigrations,
  ...sourceMigrations,
  ...catalogMigrations,
  ...taskMigrations,
  ...scimMigrations,
  ...policyMigrations,
  ...scheduleMigrations,
];
