import type { ScheduleTables } from '#services/tasks/schedules/tables.ts';
import type { TaskTables } from '#services/tasks/store/tables.ts';
import type { CatalogTables } from './tables-catalog.ts';
import type { DeviceTables } from './tables-devices.ts';
import type { DirectoryTables } from './tables-directory.ts';
import type { KeyTables } from './tables-keys.ts';
import type { PolicyTables } from './tables-policy.ts';
import type { ScimTables } from './tables-scim.ts';
import type { SessionTables } from './tables-sessions.ts';
import type { SourceTables } from './tables-sources.ts';

/** All tables of the security tier. */
export interface SecurityTables
  extends KeyTables,
    SessionTables,
    DirectoryTables,
    DeviceTables,
    SourceTables,
    CatalogTables,
    TaskTables,
    PolicyTables,
    ScimTables,
    ScheduleTables {}
