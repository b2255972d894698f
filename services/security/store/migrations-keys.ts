import type { Migration } from '#kernel/db/migrate.ts';

/** Users, enrolments and keys. Times are Unix milliseconds. */
export const keyMigrations: readonly Migration[] = [
  {
    name: 'security-0101-users',
    up: `create table users (
      name varchar(128) character set utf8mb4 collate utf8mb4_bin not null primary key,
      display_name varchar(256) not null,
      password_hash varchar(255) character set ascii null,
      disabled tinyint not null default 0,
      created_ms bigint not null,
      updated_ms bigint not null
    )`,
  },
  {
    name: 'security-0102-user-groups',
    up: `create table user_groups (
      user varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
      group_name varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
      primary key (user, group_name)
    )`,
  },
  {
    name: 'security-0103-activations',
    up: `create table activations (
      code_hash binary(32) not null primary key,
      user varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
      app_id varchar(128) not null,
      created_ms bigint not null,
      expires_ms bigint not null,
      consumed_by binary(32) null,
      reply blob null,
      key expires (expires_ms)
    )`,
  },
  {
    name: 'security-0104-shared-keys',
    up: `create table shared_keys (
      route_key char(22) character set ascii collate ascii_bin not null primary key,
      device_id varchar(40) character set ascii collate ascii_bin not null,
      device_name varchar(128) not null,
      user varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
      app_id varchar(128) not null,
      platform varchar(32) not null,
      sealed_key varbinary(255) not null,
      sealed_next varbinary(255) null,
      key_version int not null default 1,
      rotation_pending tinyint not null default 0,
      created_ms bigint not null,
      revoked_ms bigint null,
      unique key device (device_id),
      key user (user, created_ms),
      key created (created_ms, route_key)
    )`,
  },
  {
    name: 'security-0105-server-keys',
    up: `create table server_keys (
      kind varchar(16) character set ascii not null,
      key_id varchar(64) character set ascii collate ascii_bin not null,
      public_key varbinary(2048) not null,
      sealed_secret varbinary(4096) not null,
      created_ms bigint not null,
      expires_ms bigint null,
      primary key (kind, key_id)
    )`,
  },
  {
    name: 'security-0106-data-keys',
    up: `create table data_keys (
      id int unsigned not null primary key,
      wrapped varbinary(255) not null,
      root_key_id varchar(64) character set ascii not null,
      created_ms bigint not null
    )`,
  },
];
