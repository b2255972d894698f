import type { CallOptions } from '#kernel/db/db.ts';
import type { RevokeWait } from '../feed/feed.ts';
import type { Asked } from './located.ts';
import type { AppFacts, SessionKind, SessionRecord } from './record.ts';

/** What the handshake knows about a session that is to be opened. */
export interface NewSession {
  readonly routeKey: string;
  readonly kind: SessionKind;
  readonly user: string;
  readonly groups: readonly string[];
  /** Empty for people's sessions. */
  readonly deviceId: string;
  readonly app: AppFacts | undefined;
  /** As in the record. */
  readonly amr: readonly string[];
  /** The feed's position BEFORE the credentials were read. */
  readonly feedPosition: number;
  /** SHA-256 of the OpenSession request; absent for people. */
  readonly openHash?: Uint8Array;
  /** Milliseconds. */
  readonly lifetimeMs: number;
  /** Called once the id is known, so that the handshake can seal its reply. */
  build(
    id: string,
    expiresAtMs: number,
  ): { readonly sessionKey: Uint8Array; readonly openReply?: Uint8Array };
}

export interface GetOptions {
  /** The caller's deadline, wall-clock milliseconds. Nobody waits longer than 8 s. */
  readonly deadlineMs?: number | undefined;
  /** For a decision, which is counted by where the session was (located.ts); else it is not. */
  readonly asked?: Asked;
}

/** The sessions of this pod, and through it those of the tier. */
export interface Sessions {
  /**
   * Mints the id, stores the record and holds it. When the database cannot commit in time the session
   * opens all the same and is written behind.
   * @throws STALE, OVERLOADED, SESSION_REVOKED (an entry came while it was being opened)
   */
  open(session: NewSession): Promise<SessionRecord>;
  /** The session that this very message opened at most 5 minutes ago: memory first, then the database. */
  findOpened(openHash: Uint8Array): Promise<SessionRecord | undefined>;
  /**
   * The session, from memory, else from the database, the opener or another pod.
   * @throws SESSION_UNKNOWN, SESSION_EXPIRED, SESSION_REVOKED, STALE, UNAVAILABLE (cannot tell at present)
   */
  get(id: string, options?: GetOptions): Promise<SessionRecord>;
  /** As `get`, at once, and counts as a use; undefined if this pod does not hold it. `nowMs` as for `held`. */
  known(id: string, asked: Asked, nowMs?: number): SessionRecord | undefined;
  /**
   * The session if this pod holds it, which counts as a use; as `get`, else NOT_HELD. Never waits.
   * @param nowMs database time, by whoever has read it in this turn of the event loop; else it is read
   */
  held(id: string, nowMs?: number): SessionRecord;
  /** Moves its end; never to an earlier time. */
  renew(record: SessionRecord, expiresAtMs: number): Promise<SessionRecord>;
  /** The user has proved who they are in these ways, too. */
  stepUp(record: SessionRecord, amr: readonly string[]): Promise<SessionRecord>;
  /** Ends it everywhere, through the feed. Returns the entry's position. */
  end(record: SessionRecord, reason: string, wait: RevokeWait, held?: CallOptions): Promise<number>;
  /** It was used just now; known to within a second. */
  touch(record: SessionRecord): void;
}
