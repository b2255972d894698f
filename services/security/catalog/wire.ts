import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { CatalogChannelRow } from '../store/tables-catalog.ts';
import type { ReleaseDetails } from './releases.ts';

export const releaseToWire = (row: ReleaseDetails) => ({
  name: { appId: row.app_id, platform: row.platform, version: row.version },
  length: BigInt(row.length),
  sha256: row.sha256,
  notes: row.notes,
  withdrawn: row.withdrawn !== 0,
  author: row.author,
  createdAt: timestampFromMs(row.created_ms),
  deltas: row.deltas.map(({ from_version, length, sha256 }) => ({
    fromVersion: from_version,
    length: BigInt(length),
    sha256,
  })),
  reports: row.reports,
  failures: row.failures,
});

export const channelToWire = (row: CatalogChannelRow) => ({
  name: { appId: row.app_id, platform: row.platform, channel: row.channel },
  version: row.version,
  previousVersion: row.previous_version ?? '',
  percent: row.percent,
  groups: JSON.parse(row.groups_json) as string[],
  maxFailurePercent: row.max_failure_percent,
  minReports: row.min_reports,
  haltedWhy: row.halted_why ?? '',
  changedAt: timestampFromMs(row.changed_ms),
});

export const rulesToWire = (row: {
  readonly app_id: string;
  readonly platform: string;
  readonly min_version: string;
  readonly blocked_json: string;
}) => ({
  appId: row.app_id,
  platform: row.platform,
  minVersion: row.min_version,
  blocked: JSON.parse(row.blocked_json) as string[],
});
