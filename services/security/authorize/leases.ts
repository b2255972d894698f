import { SallyportError } from '#core/errors/error.ts';
import type { Lease } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { counts } from '../metrics.ts';
import type { SessionRecord } from '../session/record.ts';
import { wireFacts } from './facts.ts';
import { type LookFeed, lastLook } from './last-look.ts';
import type { LeaseBook } from './lease-book.ts';
import type { LeaseLengths } from './lease-lengths.ts';
import type { PolicyStore } from './policy-store.ts';

export interface LeasesDeps {
  readonly pod: string;
  readonly feed: LookFeed;
  readonly book: LeaseBook;
  readonly policies: Pick<PolicyStore, 'current'>;
  /** Database time. */
  readonly now: () => number;
  readonly lengths: LeaseLengths;
}

/**
 * Gives proxies the right to use a session for a while.
 * @param nowMs database time, by whoever has read it in this turn of the event loop; else it is read
 */
export type GiveLease = (record: SessionRecord, proxy: string, nowMs?: number) => Omit<Lease, '$typeName'>;

/**
 * The last act before an answer, without a wait in between: what was found out earlier may be over, and
 * what is noted here is what a revocation waits for.
 */
export function leases(deps: LeasesDeps): GiveLease {
  const { feed, book, policies, now, lengths, pod } = deps;
  const look = lastLook(feed);
  return (record, proxy, nowMs = now()) => {
    look(record);
    const left = record.expiresAtMs - nowMs;
    if (left <= 0) throw new SallyportError('SESSION_EXPIRED');
    book.given(proxy);
    counts.leases.add();
    return {
      durationMs: Math.min(lengths.of(proxy), Math.floor(left)),
      facts: wireFacts(record),
      policyVersion: BigInt(policies.current.policy.version),
      pod,
      feedPosition: BigInt(feed.position),
    };
  };
}
