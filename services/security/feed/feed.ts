import type { Kysely } from 'kysely';
import type { CallOptions } from '#kernel/db/db.ts';
import type { Revocable } from '../session/record.ts';
import type { SessionTables } from '../store/tables-sessions.ts';

/** What an entry ends: see RevocationKind in proxy_authorize.proto. */
export type RevocationKind = 'session' | 'device' | 'user' | 'shared-key' | 'groups' | 'everybody';

/** An entry to be written. */
export interface NewRevocation {
  readonly kind: RevocationKind;
  /** Handle, device id, user or route key; empty for everybody. */
  readonly subject: string;
  /** Why, for the record; at most 256 characters. */
  readonly reason: string;
}

/** An entry of the feed. It ends what read its credentials before it. */
export interface Revocation extends NewRevocation {
  /** 1, 2, …: without gaps. */
  readonly position: number;
  /** Unix milliseconds, database time. */
  readonly committedAtMs: number;
}

/** How long a revocation is waited for: until it is committed, or until it has reached everybody. */
export type RevokeWait = 'COMMITTED' | 'FLEET';

export interface RevokeResult {
  readonly position: number;
  /** Nobody can accept what it ends any more. */
  readonly everywhere: boolean;
}

/** A transaction of any schema that has the tables of this part. */
export type FeedTransaction = Kysely<SessionTables>;

/** The revocation feed, as far as this pod has read it. */
export interface Feed {
  /** Of the last entry that was read. */
  readonly position: number;
  /** @throws STALE when the feed was not read lately enough to know who is still welcome. */
  assertFresh(): void;
  /**
   * Writes an entry. Within `tx` it is committed with the rest; whoever commits it must then call
   * {@link announce}, which is also what makes the entry count here before the next poll. `held` is how long it
   * may wait for a primary, when it has a transaction of its own.
   */
  append(entry: NewRevocation, tx?: FeedTransaction, held?: CallOptions): Promise<number>;
  /** {@link append} within `tx` for several (at least one); returns the position of the last. */
  appendAll(entries: readonly NewRevocation[], tx: FeedTransaction): Promise<number>;
  /** Entries up to `position` are committed: reads them now and pushes them. */
  announce(position: number, wait: RevokeWait): Promise<RevokeResult>;
  /** {@link append} in a transaction of its own, and {@link announce}. */
  revokeAndPush(entry: NewRevocation, wait: RevokeWait, held?: CallOptions): Promise<RevokeResult>;
  isRevoked(session: Revocable): boolean;
  /** Calls `tell` for each new entry, in order, as soon as it counts here. Returns how to stop. */
  subscribe(tell: (entry: Revocation) => void): () => void;
}
