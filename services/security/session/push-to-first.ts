import type { Logger } from '#kernel/log/logger.ts';
import type { Member } from '../members/member.ts';
import type { Peers, TravellingSession } from '../peer/peers.ts';

export interface PushDeps {
  readonly peers: Pick<Peers, 'pushSessions'>;
  readonly log: Logger;
}

/**
 * Gives sessions to the first of these pods that takes them, asked one after the other.
 * @param timeoutMs for each pod
 * @returns which one, and how many it did not have yet; undefined: none took them
 */
export async function pushToFirst(
  { peers, log }: PushDeps,
  members: readonly Member[],
  sessions: readonly TravellingSession[],
  timeoutMs: number,
): Promise<{ readonly to: string; readonly accepted: number } | undefined> {
  for (const { pod } of members) {
    try {
      return { to: pod, accepted: await peers.pushSessions(pod, sessions, timeoutMs) };
    } catch (error) {
      log.warn({ err: error, peer: pod }, 'a pod did not take the sessions');
    }
  }
  return undefined;
}
