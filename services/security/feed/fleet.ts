import type { DatabaseTime } from '#kernel/db/database-time.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { type Clock, elapsed, type Instant } from '#kernel/time/clock.ts';
import type { LeaseBook } from '../authorize/lease-book.ts';
import { livingPeers, type Member } from '../members/member.ts';
import { fleetWait } from '../metrics.ts';
import type { Peers } from '../peer/peers.ts';
import type { Revocation } from './feed.ts';
import type { Fleet } from './revocation-feed.ts';

export interface FleetDeps {
  readonly pod: string;
  readonly peers: Peers;
  readonly leases: LeaseBook;
  readonly time: DatabaseTime;
  readonly clock: Clock;
  readonly log: Logger;
  /** As the last look found them. */
  readonly members: () => readonly Member[];
  /** The entries after a position that are still at hand. */
  readonly entriesAfter: (position: number) => readonly Revocation[] | undefined;
  /** As in FreshnessOptions. */
  readonly freshMs: number;
  readonly silentMs: number;
  readonly leaseMs: number;
}

/** Milliseconds on top of every bound, for clocks that run at slightly different speeds. */
const marginMs = 500;
/** Milliseconds for one push that nobody waits for. */
const pushMs = 2000;
/** Entries in one push; more are left to the poll. */
const maxPush = 1000;

/** How an entry reaches the other pods, and when it has reached everybody. */
export function fleet(deps: FleetDeps): Fleet {
  const { pod, peers, leases, time, clock, log } = deps;
  /** Pods that are being told of entries, with those that are to follow, by position. */
  const following = new Map<string, Map<number, Revocation>>();

  const pushTo = async (to: string, entries: readonly Revocation[]): Promise<void> => {
    const next = following.get(to) ?? new Map<number, Revocation>();
    for (const entry of entries) if (next.size < maxPush) next.set(entry.position, entry);
    // One push at a time per pod: what comes meanwhile goes with the next one.
    if (following.has(to)) return;
    following.set(to, next);
    try {
      while (next.size > 0) {
        const now = [...next.values()].toSorted((a, b) => a.position - b.position);
        next.clear();
        await peers.pushRevocation(to, now, false, pushMs);
      }
    } catch (error) {
      log.debug({ err: error, peer: to }, 'revocations could not be pushed; the pod will read them');
    } finally {
      following.delete(to);
    }
  };

  /**
   * The monotonic time by which a member cannot answer any more, whatever it does: a read of the feed begun
   * before the commit is good for `freshMs`, a heartbeat for `silentMs`, a lease given at the last moment
   * for `leaseMs`.
   */
  const silentAt = (member: Member | undefined, committed: Instant): number => {
    const now = clock.monotonic();
    const byFeed = committed.monotonic + deps.freshMs;
    if (member === undefined) return byFeed + deps.leaseMs + marginMs;
    const lastWord = now + (member.heartbeatMs - time.now());
    const byHeartbeat = member.state === 'stopped' ? lastWord : lastWord + deps.silentMs;
    return Math.min(byFeed, byHeartbeat) + deps.leaseMs + marginMs;
  };

  const settleMember = async (member: Member, position: number, committed: Instant): Promise<void> => {
    const end = silentAt(member, committed);
    for (;;) {
      const left = end - clock.monotonic();
      if (left <= 0) return;
      if (member.state === 'stopped') return clock.sleep(left);
      const entries = (deps.entriesAfter(position - 1) ?? []).slice(0, maxPush);
      try {
        if (entries.length > 0 && (await peers.pushRevocation(member.pod, entries, true, left)) >= position)
          return;
      } catch (error) {
        log.debug({ err: error, peer: member.pod, position }, 'a member has not acknowledged yet');
      }
      await clock.sleep(Math.max(0, Math.min(200, end - clock.monotonic())));
    }
  };

  return {
    push: (entries) => {
      const some = entries.slice(0, maxPush);
      if (some.length === 0) return;
      for (const peer of livingPeers(deps.members(), pod)) void pushTo(peer.pod, some);
    },
    settle: async (position, committed, members) => {
      if (members === undefined) {
        await clock.sleep(Math.max(0, silentAt(undefined, committed) - clock.monotonic()));
        return;
      }
      const others = members.filter((member) => member.pod !== pod);
      await Promise.all([
        leases.settled(position),
        ...others.map((member) => settleMember(member, position, committed)),
      ]);
      const ms = Math.round(elapsed(clock, committed));
      fleetWait.record(ms / 1000);
      log.info({ position, ms }, 'a revocation has reached everybody');
    },
  };
}
