import { livingPeers, type Member } from '../members/member.ts';
import type { TravellingSession } from '../peer/peers.ts';
import { type PushDeps, pushToFirst } from './push-to-first.ts';

export interface SecondCopyDeps extends PushDeps {
  readonly pod: string;
  readonly members: () => readonly Member[];
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
  deps: SecondCopyDeps,
  session: TravellingSession,
): Promise<'held' | 'alone' | 'nobody'> {
  const serving = livingPeers(deps.members(), deps.pod).filter(({ state }) => state === 'serving');
  if (serving.length === 0) return 'alone';
  const taken = await pushToFirst(deps, serving.slice(0, maxAsked), [session], takeMs);
  return taken === undefined ? 'nobody' : 'held';
}
