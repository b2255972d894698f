import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import { DeviceState } from '#gen/sallyport/device/v1/device_pb.js';
import { Role } from '#gen/sallyport/directory/v1/directory_pb.js';
import type { TierClients } from '../connectors/tier-clients.ts';

/** What reports are about. */
export const subjects = ['users', 'devices', 'sessions', 'enrolments'] as const;
export type Subject = (typeof subjects)[number];

export interface Page {
  readonly rows: readonly (readonly string[])[];
  /** Asks for the next one; empty: this was the last. */
  readonly next: string;
}

interface Pages {
  readonly head: readonly string[];
  read(clients: TierClients, pageToken: string, signal: AbortSignal): Promise<Page>;
}

/** Rows of a page: what goes on after a crash does at most so much again. */
const pageSize = 500;

export const pagesOf: Readonly<Record<Subject, Pages>> = {
  users: {
    head: ['name', 'shown as', 'groups', 'roles', 'disabled', 'source', 'made', 'changed'],
    read: async ({ directory }, pageToken, signal) => {
      const { users, nextPageToken } = await directory.listUsers({ pageSize, pageToken }, { signal });
      const rows = users.map((user) => [
        user.name,
        user.displayName,
        user.groups.join(' '),
        user.roles.map((role) => Role[role]).join(' '),
        yes(user.disabled),
        user.source,
        time(user.createdAt),
        time(user.updatedAt),
      ]);
      return { rows, next: nextPageToken };
    },
  },
  devices: {
    head: [
      'device',
      'name',
      'user',
      'state',
      'app',
      'platform',
      'version',
      'system',
      'enrolled',
      'seen',
      'blocked by',
    ],
    read: async ({ devices: service }, pageToken, signal) => {
      const asked = { pageSize, pageToken, includeRevoked: true };
      const { devices, nextPageToken } = await service.listDevices(asked, { signal });
      const rows = devices.map((device) => [
        device.deviceId,
        device.name,
        device.user,
        DeviceState[device.state],
        device.appId,
        device.platform,
        device.appVersion,
        device.osVersion,
        time(device.enrolledAt),
        time(device.lastSeenAt),
        device.blockedBy,
      ]);
      return { rows, next: nextPageToken };
    },
  },
  sessions: {
    head: ['session', 'user', 'device', 'groups', 'app', 'version', 'platform', 'opened', 'expires', 'seen'],
    read: async ({ sessions: service }, pageToken, signal) => {
      const { sessions, nextPageToken } = await service.listSessions({ pageSize, pageToken }, { signal });
      const rows = sessions.map((session) => [
        session.handle,
        session.user,
        session.deviceId,
        session.groups.join(' '),
        session.appId,
        session.appVersion,
        session.platform,
        time(session.openedAt),
        time(session.expiresAt),
        time(session.lastSeenAt),
      ]);
      return { rows, next: nextPageToken };
    },
  },
  enrolments: {
    head: [
      'route key',
      'device',
      'name',
      'user',
      'app',
      'platform',
      'enrolled',
      'revoked',
      'key',
      'rotation',
    ],
    read: async ({ keys: service }, pageToken, signal) => {
      const asked = { pageSize, pageToken, includeRevoked: true };
      const { keys, nextPageToken } = await service.listSharedKeys(asked, { signal });
      const rows = keys.map((key) => [
        key.routeKey,
        key.deviceId,
        key.deviceName,
        key.user,
        key.appId,
        key.platform,
        time(key.createdAt),
        time(key.revokedAt),
        String(key.keyVersion),
        key.rotationPending ? 'asked for' : '',
      ]);
      return { rows, next: nextPageToken };
    },
  },
};

const yes = (value: boolean): string => (value ? 'yes' : '');
const time = (at: Timestamp | undefined): string => (at === undefined ? '' : timestampDate(at).toISOString());
