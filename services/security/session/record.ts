import type { AppContext } from '#core/policy/facts.ts';

/** The app context of the opening, as policy sees it. */
export type AppFacts = AppContext;

/** A session opened by an enrolled device, or by a person over TLS. */
export type SessionKind = 'device' | 'person';

/**
 * A session as its owner holds it. Immutable: a change makes a new one with a higher `version`, so
 * whoever has read one can go on with it, and the highest version wins wherever two meet.
 */
export interface SessionRecord {
  /** `<route key>.<opener>.<128 random bits>.<MAC>` */
  readonly id: string;
  readonly routeKey: string;
  /** Name of the security pod that opened it. */
  readonly opener: string;
  readonly kind: SessionKind;
  readonly user: string;
  readonly groups: readonly string[];
  /** Empty for people's sessions. */
  readonly deviceId: string;
  /** Undefined for people's sessions, which have no enrolled app. */
  readonly app: AppFacts | undefined;
  /**
   * How the user has proved who they are (RFC 8176): `pwd`, `pin`, `oidc`, and `mfa` where the OpenID provider has asked
   * for more than one. As many as there are is the level of authentication.
   */
  readonly amr: readonly string[];
  /** 32 bytes. For people: the SHA-256 of the secret part of their token. */
  readonly sessionKey: Uint8Array;
  /** Unix milliseconds, database time, as all times here. */
  readonly openedAtMs: number;
  readonly expiresAtMs: number;
  /** When it was last used, to within the write-behind interval. */
  readonly lastSeenMs: number;
  /** Position of the revocation feed before the credentials were read: a later entry ends the session. */
  readonly feedPosition: number;
  /** The era it was opened in; a session of an older one is void. */
  readonly era: number;
  /** 1 when opened, one more with each change. */
  readonly version: number;
  /** SHA-256 of the OpenSession request, by which its repetition finds the answer. */
  readonly openHash: Uint8Array | undefined;
  /** The serialised OpenSessionResponse. */
  readonly openReply: Uint8Array | undefined;
  /** The database has not confirmed this record yet. */
  readonly writtenBehind: boolean;
}

/** What the feed needs to know to tell whether a session has been ended. */
export type Revocable = Pick<SessionRecord, 'id' | 'routeKey' | 'user' | 'deviceId' | 'feedPosition'>;

/** A session's id without its MAC: names it and opens nothing. */
export function handleOf(id: string): string {
  return id.slice(0, id.lastIndexOf('.'));
}

/** Of several copies of one session the one with the highest version, the first of equals. */
export const newestOf = (records: readonly (SessionRecord | undefined)[]): SessionRecord | undefined =>
  records.reduce((best, each) => (each && each.version > (best?.version ?? 0) ? each : best), undefined);
