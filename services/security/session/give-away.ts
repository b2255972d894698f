import type { Logger } from '#kernel/log/logger.ts';
import { livingPeers, type Member } from '../members/member.ts';
import type { Peers } from '../peer/peers.ts';
import type { SessionRecord } from './record.ts';
import type { SessionOwner } from './session-owner.ts';

export interface GiveAwayDeps {
  readonly pod: string;
  readonly peers: Pick<Peers, 'pushSessions'>;
  readonly members: () => readonly Member[];
  readonly owner: Pick<SessionOwner, 'travelling'>;
  readonly log: Logger;
}

/** Milliseconds for one pod to take what it is given. */
const pushMs = 5000;

/**
 * Gives sessions that are in no database to a pod that goes on: whoever is asked about one then finds it
 * there, since every living pod is asked. Returns how many were given; tries every living pod once.
 */
export async function giveAway(deps: GiveAwayDeps, records: readonly SessionRecord[]): Promise<number> {
  if (records.length === 0) return 0;
  const serving = livingPeers(deps.members(), deps.pod).filter((peer) => peer.state === 'serving');
  const travelling = records.map((record) => deps.owner.travelling(record));
  for (const { pod } of serving) {
    try {
      const accepted = await deps.peers.pushSessions(pod, travelling, pushMs);
      deps.log.info({ to: pod, sessions: records.length, accepted }, 'sessions were given to another pod');
      return accepted;
    } catch (error) {
      deps.log.warn({ err: error, peer: pod }, 'a pod did not take the sessions');
    }
  }
  deps.log.error({ sessions: records.length }, 'nobody took the sessions: their users have to log in again');
  return 0;
}
