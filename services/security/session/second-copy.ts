import type { Logger } from '#kernel/log/logger.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { withDeadline } from '#kernel/time/deadline.ts';
import { livingPeers, type Member } from '../members/member.ts';
import type { Peers, TravellingSession } from '../peer/peers.ts';

export interface SecondCopyDeps {
  readonly pod: string;
  readonly peers: Pick<Peers, 'pushSessions'>;
  readonly members: () => readonly Member[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Milliseconds for one pod to take it: a few, unless it hangs or is cut off. */
const takeMs = 400;
/** Pods that are asked. */
const maxAsked = 3;

/**
 * Gives another pod a copy of a session that the database has not confirmed: so it does not die with this pod, and a
 * pod that is cut off from the others opens nothing that nobody else knows of.
 * @returns `alone`: there is no other pod that serves; `nobody`: there are some, and none has taken it
 */
export async function secondCopy(
  { pod, peers, members, clock, log }: SecondCopyDeps,
  session: TravellingSession,
): Promise<'held' | 'alone' | 'nobody'> {
  const serving = livingPeers(members(), pod).filter(({ state }) => state === 'serving');
  if (serving.length === 0) return 'alone';
  for (const peer of serving.slice(0, maxAsked)) {
    try {
      await withDeadline(peers.pushSessions(peer.pod, [session], takeMs), takeMs, {
        what: `giving ${peer.pod} a copy of a session`,
        clock,
      });
      return 'held';
    } catch (error) {
      log.warn({ err: error, peer: peer.pod }, 'a pod did not take the copy of a session');
    }
  }
  return 'nobody';
}
