import type { KeyTables } from './tables-keys.ts';

/** A row of migrations-directory.ts. */
export interface UserRoleRow {
  user: string;
  /** A PersonRole, or one of a newer release. */
  role: string;
}

/** Tables about people. */
export interface DirectoryTables
  extends Pick<KeyTables, 'users' | 'user_groups' | 'activations' | 'shared_keys'> {
  user_roles: UserRoleRow;
}
