import type { Migration } from '#kernel/db/migrate.ts';

const name = 'varchar(128) character set utf8mb4 collate utf8mb4_bin';
const text = (length: number): string => `varchar(${length}) character set utf8mb4 collate utf8mb4_bin`;
const ascii = (length: number): string => `varchar(${length}) character set ascii collate ascii_bin`;

/** Sources whose users and groups are pushed by SCIM 2.0. Times are Unix milliseconds. */
export const scimMigrations: readonly Migration[] = [
  {
    name: 'security-0801-scim-tokens',
    up: `create table scim_tokens (
      id ${ascii(16)} not null primary key,
      source ${ascii(64)} not null,
      hash binary(32) not null,
      label ${text(128)} not null,
      created_by ${text(160)} not null,
      created_ms bigint not null,
      expires_ms bigint null,
      used_ms bigint null,
      key by_source (source)
    )`,
  },
  {
    name: 'security-0802-scim-resources',
    up: `create table scim_resources (
      source ${ascii(64)} not null,
      kind ${ascii(8)} not null,
      id ${ascii(32)} not null,
      key_name ${name} not null,
      external_id ${text(256)} null,
      shown varchar(256) character set utf8mb4 not null,
      active tinyint not null,
      body json not null,
      version int unsigned not null,
      created_ms bigint not null,
      updated_ms bigint not null,
      primary key (source, kind, id),
      unique key by_name (source, kind, key_name),
      unique key by_external (source, kind, external_id)
    )`,
  },
  {
    name: 'security-0803-scim-members',
    up: `create table scim_members (
      source ${ascii(64)} not null,
      group_id ${ascii(32)} not null,
      member_id ${ascii(32)} not null,
      primary key (source, group_id, member_id),
      key by_member (source, member_id)
    )`,
  },
  {
    name: 'security-0804-scim-takings',
    up: `create table scim_takings (
      source ${ascii(64)} not null,
      user_id ${ascii(32)} not null,
      at_ms bigint not null,
      primary key (source, user_id)
    )`,
  },
];
