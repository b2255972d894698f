import type { Migration } from '#kernel/db/migrate.ts';

const ascii = (length: number): string => `varchar(${length}) character set ascii collate ascii_bin`;
const text = (length: number): string => `varchar(${length}) character set utf8mb4 collate utf8mb4_bin`;

/** Policies that one person proposes and another one signs. Times are Unix milliseconds. */
export const policyMigrations: readonly Migration[] = [
  {
    name: 'security-0901-policy-proposals',
    up: `create table policy_proposals (
      id int unsigned not null auto_increment primary key,
      document json not null,
      base_version bigint not null,
      author ${text(160)} not null,
      note ${text(512)} not null,
      created_ms bigint not null,
      state ${ascii(16)} not null,
      decided_by ${text(160)} null,
      decided_note ${text(512)} null,
      decided_ms bigint null,
      version bigint null,
      key by_state (state)
    )`,
  },
  {
    name: 'security-0902-policy-signers',
    up: `alter table policies add column signed_by ${text(160)} null`,
  },
  {
    // Text, not JSON: nothing looks into it there.
    name: 'security-0903-recorded-decisions',
    up: `create table recorded_decisions (
      id binary(16) not null primary key,
      facts text character set utf8mb4 collate utf8mb4_bin not null,
      allow tinyint not null,
      reason ${ascii(32)} not null,
      at_ms bigint not null,
      key by_time (at_ms, id)
    )`,
  },
];
