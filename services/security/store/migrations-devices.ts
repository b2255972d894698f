import type { Migration } from '#kernel/db/migrate.ts';

/** What is known of devices, and done about them. Times are Unix milliseconds. */
export const deviceMigrations: readonly Migration[] = [
  {
    name: 'security-0601-blocked-devices',
    up: `alter table shared_keys
      add column blocked_ms bigint null,
      add column blocked_by varchar(160) character set utf8mb4 collate utf8mb4_bin null`,
  },
  {
    name: 'security-0602-replaced-devices',
    up: `alter table activations
      add column replaces char(22) character set ascii collate ascii_bin null,
      add key replaces (replaces)`,
  },
  {
    name: 'security-0603-device-sightings',
    up: `create table device_sightings (
      route_key char(22) character set ascii collate ascii_bin not null primary key,
      app_version varchar(64) not null,
      os_version varchar(64) not null,
      cert_digest char(64) character set ascii not null,
      posture_json text character set utf8mb4 not null,
      seen_ms bigint not null
    )`,
  },
  {
    name: 'security-0604-attested-devices',
    up: 'alter table shared_keys add column attested_json varchar(1024) character set ascii null',
  },
  {
    name: 'security-0605-device-pins',
    up: `alter table shared_keys
      add column sealed_pin varbinary(512) null,
      add column pin_failures int not null default 0`,
  },
];
