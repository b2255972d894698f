import type { CallOptions } from '#kernel/db/db.ts';
import type { Member } from '../members/member.ts';
import type { FeedTransaction, NewRevocation, Revocation } from './feed.ts';

/** What one look at the database tells. */
export interface FeedNews {
  /** The database's time when it answered, Unix milliseconds. */
  readonly nowMs: number;
  readonly era: number;
  /** Entries after the position that was asked from, in order. */
  readonly entries: readonly Revocation[];
  /** The position up to which this is everything. */
  readonly position: number;
  /** There is more: ask again from `position`. */
  readonly more: boolean;
  /** Read after the entries: a pod that is not among them began to read the feed later than that. */
  readonly members: readonly Member[];
  /** Version of the newest policy; 0: none. */
  readonly policyVersion: number;
}

/**
 * Where the feed is kept. Reads see everything that was committed before they began (primary, or a
 * secondary with consistency BEFORE).
 */
export interface FeedSource {
  /** Everything committed less than `keepMs` ago; older entries can concern no living session. */
  first(keepMs: number): Promise<FeedNews>;
  /** What came after `position`. */
  since(position: number): Promise<FeedNews>;
  /**
   * Takes the next position, under a row lock that is held until commit: so entries become visible in
   * their order, and none is skipped. Without `tx` in one that it shares with others like it.
   */
  append(entry: NewRevocation, tx?: FeedTransaction, held?: CallOptions): Promise<number>;
  /** The same for several (at least one), in their order; returns the position of the last. */
  appendAll(entries: readonly NewRevocation[], tx: FeedTransaction): Promise<number>;
}
