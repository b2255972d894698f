import type { Migration } from '#kernel/db/migrate.ts';

export const columnOf = (n: number): string => `drill_${n}`;

/** What N+1 does to the busiest table: expanding only, as all migrations are, and more than a change of metadata. */
export const extraMigrations = (count: number): Migration[] =>
  Array.from({ length: count }, (_, at) => {
    const column = columnOf(at + 1);
    return {
      name: `drill-${String(at + 1).padStart(4, '0')}-sessions`,
      up: `alter table sessions add column ${column} varchar(16) null, add key ${column} (${column})`,
    };
  });
