import type { Migration } from '#kernel/db/migrate.ts';

const name = 'varchar(128) character set utf8mb4 collate utf8mb4_bin';
const text = (length: number): string => `varchar(${length}) character set utf8mb4 collate utf8mb4_bin`;
const ascii = (length: number): string => `varchar(${length}) character set ascii collate ascii_bin`;

/** Directories of the company, what they were last seen to hold, and synchronisations. Times are Unix milliseconds. */
export const sourceMigrations: readonly Migration[] = [
  {
    name: 'security-0701-sources',
    up: `create table sources (
      name ${ascii(64)} not null primary key,
      settings text character set utf8mb4 not null,
      sealed_password varbinary(2048) null,
      precedence int not null,
      revision int unsigned not null,
      stamp text character set utf8mb4 null,
      synced_ms bigint null,
      full_ms bigint null,
      listed_ms bigint null,
      next_ms bigint not null,
      last_run ${ascii(36)} null,
      lease_pod ${ascii(40)} null,
      lease_until_ms bigint not null default 0,
      fence bigint unsigned not null default 0
    )`,
  },
  {
    name: 'security-0702-source-users',
    up: `create table source_users (
      source ${ascii(64)} not null,
      entry_id ${ascii(32)} not null,
      name ${name} not null,
      dn ${text(1024)} not null,
      display_name varchar(256) not null,
      disabled tinyint not null,
      groups_json mediumtext character set utf8mb4 not null,
      verifier varchar(255) character set ascii null,
      primary key (source, entry_id),
      key by_name (name)
    )`,
  },
  {
    name: 'security-0703-source-groups',
    up: `create table source_groups (
      source ${ascii(64)} not null,
      entry_id ${ascii(32)} not null,
      name ${name} not null,
      dn ${text(1024)} not null,
      members mediumblob not null,
      primary key (source, entry_id)
    )`,
  },
  {
    name: 'security-0704-sync-runs',
    up: `create table sync_runs (
      id ${ascii(36)} not null primary key,
      source ${ascii(64)} not null,
      state ${ascii(16)} not null,
      cancelled tinyint not null default 0,
      report mediumtext character set utf8mb4 not null,
      created_ms bigint not null,
      key by_source (source, created_ms),
      key by_state (state)
    )`,
  },
  {
    name: 'security-0705-user-source',
    up: `alter table users add column source ${ascii(64)} null, add column source_entry ${ascii(32)} null`,
  },
];
