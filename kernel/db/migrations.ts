import type { Migration } from './migrate.ts';

/** The kernel's own tables. Each service adds its own after these; names are never reused or changed. */
export const kernelMigrations: readonly Migration[] = [
  {
    name: 'kernel-0001-idempotency',
    up: `create table idempotency (
      \`key\` varbinary(160) not null primary key,
      result longtext character set utf8mb4 null,
      at datetime(3) not null,
      key by_age (at)
    )`,
  },
];
