import type { Migration } from '#kernel/db/migrate.ts';

const ascii = 'character set ascii collate ascii_bin';
const text = 'character set utf8mb4 collate utf8mb4_bin';

/** What workers know, and what people are to do. Times are Unix milliseconds of the database. */
export const itemMigrations: readonly Migration[] = [
  {
    // Said by workers when they start: what can be submitted, whichever release runs where.
    name: 'tasks-0101-kinds',
    up: `create table task_kinds (
      kind varchar(80) ${ascii} not null,
      version int not null,
      summary varchar(400) ${text} not null,
      for_anyone tinyint not null,
      seen_ms bigint not null,
      primary key (kind, version)
    )`,
  },
  {
    name: 'tasks-0102-forms',
    up: `create table work_forms (
      id char(22) ${ascii} not null primary key,
      type varchar(255) ${ascii} not null,
      descriptor_set mediumblob not null
    )`,
  },
  {
    name: 'tasks-0103-items',
    up: `create table work_items (
      id char(22) ${ascii} not null primary key,
      task_id char(22) ${ascii} not null,
      step varchar(90) ${ascii} not null,
      title varchar(200) ${text} not null,
      details_json mediumtext ${text} not null,
      form_id char(22) ${ascii} not null,
      form_type varchar(255) ${ascii} not null,
      except_json text ${text} not null,
      state varchar(10) ${ascii} not null,
      claimed_by varchar(160) ${text} null,
      draft_version int not null,
      draft_json mediumtext ${text} null,
      draft_by varchar(160) ${text} null,
      draft_ms bigint null,
      escalate_ms bigint null,
      escalate_json text ${text} null,
      escalated tinyint not null,
      due_ms bigint null,
      result_json mediumtext ${text} null,
      completed_by varchar(160) ${text} null,
      created_ms bigint not null,
      ended_ms bigint null,
      key task (task_id, state),
      key escalations (escalate_ms),
      key open_ones (state, created_ms)
    )`,
  },
  {
    name: 'tasks-0104-candidates',
    up: `create table work_candidates (
      candidate varchar(180) ${text} not null,
      item_id char(22) ${ascii} not null,
      primary key (candidate, item_id),
      key item (item_id)
    )`,
  },
  {
    // Lists are told newest first, of all submitters.
    name: 'tasks-0105-newest',
    up: 'alter table tasks add key newest (created_ms, id)',
  },
  {
    // Who has handed an item to whom.
    name: 'tasks-0106-handed',
    up: 'alter table work_items add column handed_json json null',
  },
];
