import type { Migration } from '#kernel/db/migrate.ts';

const ascii = (length: number): string => `varchar(${length}) character set ascii collate ascii_bin`;
const text = 'character set utf8mb4 collate utf8mb4_bin';
const app = `app_id ${ascii(100)} not null, platform ${ascii(32)} not null`;

/** The app catalogue. */
export const catalogMigrations: readonly Migration[] = [
  {
    name: 'security-0501-catalog-blobs',
    up: `create table catalog_blobs (
      sha256 binary(32) not null primary key,
      length bigint not null,
      complete tinyint not null,
      created_ms bigint not null
    )`,
  },
  {
    name: 'security-0502-catalog-chunks',
    up: `create table catalog_chunks (
      sha256 binary(32) not null,
      idx int unsigned not null,
      bytes mediumblob not null,
      primary key (sha256, idx)
    )`,
  },
  {
    name: 'security-0503-catalog-releases',
    up: `create table catalog_releases (
      ${app},
      version ${ascii(64)} not null,
      sha256 binary(32) not null,
      length bigint not null,
      notes text ${text} not null,
      withdrawn tinyint not null,
      author varchar(160) ${text} not null,
      created_ms bigint not null,
      primary key (app_id, platform, version),
      key by_digest (sha256),
      key by_age (created_ms)
    )`,
  },
  {
    name: 'security-0504-catalog-deltas',
    up: `create table catalog_deltas (
      ${app},
      from_version ${ascii(64)} not null,
      version ${ascii(64)} not null,
      sha256 binary(32) not null,
      length bigint not null,
      primary key (app_id, platform, version, from_version),
      key by_digest (sha256)
    )`,
  },
  {
    name: 'security-0505-catalog-channels',
    up: `create table catalog_channels (
      ${app},
      channel ${ascii(32)} not null,
      version ${ascii(64)} not null,
      previous_version ${ascii(64)} null,
      percent tinyint unsigned not null,
      groups_json text ${text} not null,
      max_failure_percent tinyint unsigned not null,
      min_reports int unsigned not null,
      counted_from_ms bigint not null,
      halted_why varchar(256) ${text} null,
      changed_ms bigint not null,
      primary key (app_id, platform, channel)
    )`,
  },
  {
    name: 'security-0506-catalog-versions',
    up: `create table catalog_versions (
      ${app},
      min_version ${ascii(64)} not null,
      blocked_json text ${text} not null,
      primary key (app_id, platform)
    )`,
  },
  {
    name: 'security-0507-catalog-reports',
    up: `create table catalog_reports (
      ${app},
      version ${ascii(64)} not null,
      device_id ${ascii(40)} not null,
      failed tinyint not null,
      reported_ms bigint not null,
      primary key (app_id, platform, version, device_id)
    )`,
  },
  {
    name: 'security-0508-catalog-keys',
    up: `create table catalog_keys (
      key_id char(64) character set ascii collate ascii_bin not null primary key,
      role ${ascii(110)} not null,
      public_key binary(32) not null,
      sealed_secret varbinary(255) not null,
      created_ms bigint not null,
      key by_role (role)
    )`,
  },
  {
    name: 'security-0509-catalog-metadata',
    up: `create table catalog_metadata (
      role ${ascii(110)} not null,
      version int unsigned not null,
      expires_ms bigint not null,
      body mediumblob not null,
      primary key (role, version)
    )`,
  },
  {
    // Every minute it is looked for uploads that were given up.
    name: 'security-0510-catalog-blobs-by-age',
    up: 'alter table catalog_blobs add key by_age (created_ms)',
  },
];
