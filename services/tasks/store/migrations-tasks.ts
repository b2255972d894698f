import type { Migration } from '#kernel/db/migrate.ts';
import { itemMigrations } from './migrations-items.ts';

const ascii = 'character set ascii collate ascii_bin';
const text = 'character set utf8mb4 collate utf8mb4_bin';

/** Tasks and their journals. Times are Unix milliseconds of the database. */
export const taskMigrations: readonly Migration[] = [
  {
    // One of `ready`, `due_ms` and `claim_until_ms` says what an open task waits for: a worker, a time, its worker;
    // none of them: something from outside. Each has its index, so that 100,000 that wait cost nothing.
    name: 'tasks-0001-tasks',
    up: `create table tasks (
      id char(22) ${ascii} not null primary key,
      kind varchar(80) ${ascii} not null,
      version int not null,
      submitter varchar(160) ${text} not null,
      digest char(22) ${ascii} not null,
      state varchar(10) ${ascii} not null,
      input_json mediumtext ${text} not null,
      result_json mediumtext ${text} null,
      error_json text ${text} null,
      parent_id char(22) ${ascii} null,
      parent_step varchar(80) ${ascii} null,
      ready tinyint not null,
      turn bigint not null,
      due_ms bigint null,
      claim_until_ms bigint null,
      claimed_by varchar(80) ${ascii} null,
      fence bigint not null,
      wakes bigint not null,
      attempts int not null,
      cancel_requested tinyint not null,
      created_ms bigint not null,
      ended_ms bigint null,
      key ready (ready, turn),
      key due (due_ms),
      key claims (claim_until_ms),
      key children (parent_id),
      key ended (ended_ms),
      key submitters (submitter, created_ms)
    )`,
  },
  {
    name: 'tasks-0002-steps',
    up: `create table task_steps (
      task_id char(22) ${ascii} not null,
      name varchar(90) ${ascii} not null,
      state varchar(10) ${ascii} not null,
      result_json mediumtext ${text} null,
      error_json text ${text} null,
      attempts int not null,
      due_ms bigint null,
      first_ms bigint not null,
      last_ms bigint not null,
      primary key (task_id, name)
    )`,
  },
  {
    // The turn of each submitter's newest task.
    name: 'tasks-0003-turns',
    up: `create table task_turns (
      submitter varchar(160) ${text} not null primary key,
      turn bigint not null,
      key turn (turn)
    )`,
  },
  {
    name: 'tasks-0004-hosts',
    up: 'alter table tasks add column hosts_json json null',
  },
  ...itemMigrations,
];
