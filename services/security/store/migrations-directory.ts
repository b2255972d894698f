import type { Migration } from '#kernel/db/migrate.ts';

/** What people may administer. */
export const directoryMigrations: readonly Migration[] = [
  {
    name: 'security-0301-user-roles',
    up: `create table user_roles (
      user varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
      role varchar(32) character set ascii collate ascii_bin not null,
      primary key (user, role)
    )`,
  },
];
