import type { Clock } from '#kernel/time/clock.ts';
import { withDeadline } from '#kernel/time/deadline.ts';
import { livingPeers, type Member, type MemberState } from '../members/member.ts';
import { type PushDeps, pushToFirst } from './push-to-first.ts';
import type { SessionRecord } from './record.ts';
import type { SessionOwner } from './session-owner.ts';

export interface GiveAwayDeps extends PushDeps {
  readonly pod: string;
  readonly members: () => readonly Member[];
  /** Reads anew who the members are: what is known of them is up to a second old. */
  readonly refreshMembers: () => Promise<void>;
  readonly owner: Pick<SessionOwner, 'travelling'>;
  readonly clock: Clock;
}

/** Milliseconds for one pod to take what it is given. */
const pushMs = 5000;
/** Milliseconds for reading who is there. */
const refreshMs = 2000;
/** Milliseconds for finding one that takes it, less than a pod has for ending; and between two attempts. */
const forMs = 12_000;
const everyMs = 500;

/**
 * Gives sessions that are in no database to a pod that goes on: whoever is asked about one then finds it
 * there, since every living pod is asked. Returns how many were given. Goes on trying while there is a pod that serves
 * or is about to.
 */
export async function giveAway(deps: GiveAwayDeps, records: readonly SessionRecord[]): Promise<number> {
  if (records.length === 0) return 0;
  const { clock, log } = deps;
  const travelling = records.map((record) => deps.owner.travelling(record));
  const end = clock.monotonic() + forMs;
  for (;;) {
    await refresh(deps);
    const going = livingPeers(deps.members(), deps.pod).filter(({ state }) => goesOn.includes(state));
    const serving = going.filter(({ state }) => state === 'serving');
    const taken = await pushToFirst(deps, serving, travelling, pushMs);
    if (taken !== undefined) {
      log.info({ ...taken, sessions: records.length }, 'sessions were given to another pod');
      return taken.accepted;
    }
    if (going.length === 0 || clock.monotonic() + everyMs >= end) break;
    await clock.sleep(everyMs);
  }
  log.error({ sessions: records.length }, 'nobody took the sessions: their users have to log in again');
  return 0;
}

const goesOn: readonly MemberState[] = ['starting', 'serving'];

/** Without an answer, what was known before has to do. */
async function refresh({ refreshMembers, clock, log }: GiveAwayDeps): Promise<void> {
  try {
    await withDeadline(refreshMembers(), refreshMs, { what: 'asking who is there', clock });
  } catch (error) {
    log.warn({ err: error }, 'who the other pods are cannot be read');
  }
}
