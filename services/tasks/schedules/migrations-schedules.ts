import type { Migration } from '#kernel/db/migrate.ts';

const ascii = 'character set ascii collate ascii_bin';

/** Schedules, and the reports that their tasks write. Times are Unix milliseconds of the database. */
export const scheduleMigrations: readonly Migration[] = [
  {
    name: 'schedules-0001-schedules',
    up: `create table schedules (
      name varchar(64) ${ascii} not null primary key,
      revision int unsigned not null,
      spec_json mediumtext character set utf8mb4 not null,
      paused tinyint not null,
      planned_ms bigint null,
      due_ms bigint null,
      last_task char(22) ${ascii} null,
      last_ms bigint null,
      changed_by varchar(160) character set utf8mb4 not null,
      key due (paused, due_ms)
    )`,
  },
  {
    name: 'schedules-0002-reports',
    up: `create table report_pieces (
      task_id char(22) ${ascii} not null,
      piece int unsigned not null,
      media_type varchar(40) ${ascii} not null,
      data mediumblob not null,
      primary key (task_id, piece)
    )`,
  },
];
