import type { Migration } from '#kernel/db/migrate.ts';

const name = 'varchar(128) character set utf8mb4 collate utf8mb4_bin';
const ascii = (length: number): string => `varchar(${length}) character set ascii collate ascii_bin`;

/** Eras, members, sessions, the revocation feed, policies, row locks. Times are Unix milliseconds. */
export const sessionMigrations: readonly Migration[] = [
  {
    name: 'security-0201-era',
    up: 'create table era (id tinyint not null primary key, era int unsigned not null)',
  },
  { name: 'security-0202-first-era', up: 'insert ignore into era (id, era) values (1, 1)' },
  {
    name: 'security-0203-incarnations',
    up: `create table incarnations (
      incarnation int unsigned not null auto_increment primary key,
      pod ${ascii(40)} not null,
      era int unsigned not null,
      started_ms bigint not null
    )`,
  },
  {
    name: 'security-0204-members',
    up: `create table members (
      pod ${ascii(40)} not null primary key,
      incarnation int unsigned not null,
      heartbeat_ms bigint not null,
      state ${ascii(16)} not null,
      feed_position bigint not null
    )`,
  },
  {
    name: 'security-0205-sessions',
    up: `create table sessions (
      handle ${ascii(140)} not null primary key,
      route_key ${ascii(22)} not null,
      user ${name} not null,
      device_id ${ascii(64)} not null,
      kind ${ascii(8)} not null,
      app_id varchar(128) not null,
      app_version varchar(64) not null,
      platform varchar(32) not null,
      groups_json text character set utf8mb4 not null,
      era int unsigned not null,
      sealed mediumblob not null,
      version int unsigned not null,
      feed_position bigint not null,
      open_hash binary(32) null,
      opened_ms bigint not null,
      expires_ms bigint not null,
      last_seen_ms bigint not null,
      ended_ms bigint null,
      unique key open_hash (open_hash),
      key by_user (user, opened_ms),
      key by_device (device_id, opened_ms),
      key by_opened (opened_ms),
      key by_expiry (expires_ms)
    )`,
  },
  {
    name: 'security-0206-feed-counter',
    up: 'create table feed_counter (id tinyint not null primary key, position bigint not null)',
  },
  {
    name: 'security-0207-first-position',
    up: 'insert ignore into feed_counter (id, position) values (1, 0)',
  },
  {
    name: 'security-0208-revocations',
    up: `create table revocations (
      position bigint not null primary key,
      kind ${ascii(16)} not null,
      subject ${name} not null,
      reason varchar(256) character set utf8mb4 not null,
      committed_ms bigint not null,
      key by_age (committed_ms)
    )`,
  },
  {
    name: 'security-0209-policies',
    up: `create table policies (
      version bigint not null primary key,
      document json not null,
      author ${name} not null,
      created_ms bigint not null
    )`,
  },
  {
    name: 'security-0210-locks',
    up: `create table locks (name ${ascii(64)} not null primary key)`,
  },
];
