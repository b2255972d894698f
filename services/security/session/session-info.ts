import { handleOf, type SessionRecord } from './record.ts';

/** What operators may see of a session, as it stands beside the sealed record. */
export interface SessionInfoRow {
  readonly handle: string;
  readonly routeKey: string;
  readonly user: string;
  readonly deviceId: string;
  readonly groups: readonly string[];
  readonly appId: string;
  readonly appVersion: string;
  readonly platform: string;
  readonly feedPosition: number;
  readonly era: number;
  readonly openedAtMs: number;
  readonly expiresAtMs: number;
  readonly lastSeenMs: number;
  /** When it was ended by name. */
  readonly endedAtMs: number | undefined;
}

export function infoOf(record: SessionRecord): SessionInfoRow {
  return {
    handle: handleOf(record.id),
    routeKey: record.routeKey,
    user: record.user,
    deviceId: record.deviceId,
    groups: record.groups,
    appId: record.app?.appId ?? '',
    appVersion: record.app?.version ?? '',
    platform: record.app?.platform ?? '',
    feedPosition: record.feedPosition,
    era: record.era,
    openedAtMs: record.openedAtMs,
    expiresAtMs: record.expiresAtMs,
    lastSeenMs: record.lastSeenMs,
    endedAtMs: undefined,
  };
}
