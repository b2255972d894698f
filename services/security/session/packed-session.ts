import type { Revocable, SessionRecord } from './record.ts';

/**
 * A session that nobody uses at present, as one string: a third of what it takes as objects. What the message
 * that opened it got as its answer is left out: by then nobody may ask for it again.
 */
export interface PackedSession {
  /** User, device id and feed position, each ended by a NUL, then JSON. */
  readonly text: string;
  readonly expiresAtMs: number;
  readonly seenMs: number;
}

type Rest = readonly [
  mac: string,
  kind: SessionRecord['kind'],
  groups: readonly string[],
  app: readonly (string | SessionPosture)[] | 0,
  sessionKey: string,
  openedAtMs: number,
  era: number,
  version: number,
  amr: readonly string[],
];
type SessionPosture = NonNullable<SessionRecord['app']>['posture'];

/** Undefined when a name in it cannot be packed. */
export function packSession(record: SessionRecord, seenMs: number): PackedSession | undefined {
  const { id, user, deviceId, feedPosition, app, expiresAtMs } = record;
  if (user.includes('\0') || deviceId.includes('\0')) return undefined;
  const rest: Rest = [
    id.slice(id.lastIndexOf('.') + 1),
    record.kind,
    record.groups,
    app ? [app.platform, app.appId, app.version, app.certDigest, app.osVersion, app.posture] : 0,
    Buffer.from(record.sessionKey).toString('base64'),
    record.openedAtMs,
    record.era,
    record.version,
    record.amr,
  ];
  const text = `${user}\0${deviceId}\0${feedPosition}\0${JSON.stringify(rest)}`;
  return { text: flat(text), expiresAtMs, seenMs };
}

/** @param handle the name under which it was packed */
export function unpackSession(handle: string, packed: PackedSession): SessionRecord {
  const { text, expiresAtMs, seenMs } = packed;
  const { user, deviceId, feedPosition } = revocableOf(handle, packed);
  const json = text.slice(text.indexOf('\0', user.length + deviceId.length + 2) + 1);
  const [mac, kind, groups, app, key, openedAtMs, era, version, amr] = JSON.parse(json) as Rest;
  const [routeKey = '', opener = ''] = handle.split('.');
  return {
    ...{ id: `${handle}.${mac}`, routeKey, opener, kind, user, groups, deviceId, amr },
    app: app === 0 ? undefined : appOf(app),
    sessionKey: new Uint8Array(Buffer.from(key, 'base64')),
    ...{ openedAtMs, expiresAtMs, lastSeenMs: seenMs, feedPosition, era, version },
    ...{ openHash: undefined, openReply: undefined, writtenBehind: false },
  };
}

/** What tells whether it has been ended, without unpacking the rest. Its id has no MAC. */
export function revocableOf(handle: string, { text }: PackedSession): Revocable {
  const userEnd = text.indexOf('\0');
  const deviceEnd = text.indexOf('\0', userEnd + 1);
  return {
    id: `${handle}.`,
    routeKey: handle.slice(0, handle.indexOf('.')),
    user: text.slice(0, userEnd),
    deviceId: text.slice(userEnd + 1, deviceEnd),
    feedPosition: Number(text.slice(deviceEnd + 1, text.indexOf('\0', deviceEnd + 1))),
  };
}

function appOf(parts: readonly (string | SessionPosture)[]): NonNullable<SessionRecord['app']> {
  const [platform, appId, version, certDigest, osVersion, posture] = parts as readonly [
    string,
    string,
    string,
    string,
    string,
    SessionPosture,
  ];
  return { platform, appId, version, certDigest, osVersion, posture };
}

/** One string: what `+` gives is a tree of its parts, which keeps all of them. */
const flat = (text: string): string => Buffer.from(text).toString();
