import { SallyportError } from '#core/errors/error.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { withDeadline } from '#kernel/time/deadline.ts';
import { livingPeers, type Member } from '../members/member.ts';
import { counts } from '../metrics.ts';
import type { Peers } from '../peer/peers.ts';
import { handleOf, type SessionRecord } from './record.ts';
import { openRecord, type RecordKeys } from './seal-record.ts';
import type { SessionStore } from './session-store.ts';

export interface FindElsewhereDeps {
  readonly pod: string;
  /** Undefined: nothing is persisted. */
  readonly store: SessionStore | undefined;
  readonly peers: Peers;
  readonly keys: RecordKeys;
  readonly members: () => readonly Member[];
  /** Database time. */
  readonly now: () => number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds for asking other pods, all in all; default 100. */
  readonly handOverMs?: number;
}

/** What is looked for. */
export interface Wanted {
  readonly id: string;
  readonly opener: string;
  /** A pod to which this one gave it, if it did. */
  readonly givenTo: string | undefined;
}

/** Pods that one question is passed on to. */
const maxHops = 3;

/**
 * Finds a session that this pod does not hold: in the database, else at its opener, else at any living pod.
 * Undefined: it is nowhere.
 * @throws UNAVAILABLE when somebody who might have it could not be asked
 */
export async function findElsewhere(
  deps: FindElsewhereDeps,
  wanted: Wanted,
  timeoutMs: number,
): Promise<SessionRecord | undefined> {
  const handle = handleOf(wanted.id);
  let databaseFault: unknown;
  let stored: SessionRecord | undefined;
  if (deps.store !== undefined) {
    try {
      const record = await deps.store.load(handle, timeoutMs);
      stored = record?.id === wanted.id ? record : undefined;
      // One that has expired may have been renewed, and the renewal be written behind.
      if (stored !== undefined && stored.expiresAtMs > deps.now()) {
        counts.found.add(1, { at: 'database' });
        return stored;
      }
    } catch (error) {
      if (SallyportError.from(error).status !== 'UNAVAILABLE') throw error;
      databaseFault = error;
      deps.log.warn({ err: error, session: wanted.id }, 'a session could not be looked up in the database');
    }
  }
  const { record, unanswered } = await askPeers(deps, wanted);
  if (record !== undefined && record.version > (stored?.version ?? 0)) {
    counts.found.add(1, { at: 'peer' });
    return record;
  }
  if (stored !== undefined) return stored;
  if (databaseFault !== undefined || unanswered.length > 0) {
    throw new SallyportError('UNAVAILABLE', {
      message: `cannot tell where this session is: no answer from ${[...unanswered, ...(databaseFault ? ['the database'] : [])].join(', ')}`,
      retryAfterMs: 300,
      cause: databaseFault,
    });
  }
  return undefined;
}

interface Answers {
  readonly record?: SessionRecord;
  /** Living pods that gave no answer in time. */
  readonly unanswered: readonly string[];
}

async function askPeers(deps: FindElsewhereDeps, wanted: Wanted): Promise<Answers> {
  const { clock, handOverMs = 100 } = deps;
  const end = clock.monotonic() + handOverMs;
  const living = livingPeers(deps.members(), deps.pod, deps.now()).map((member) => member.pod);
  const first = [wanted.givenTo, wanted.opener].filter((pod) => pod !== undefined && living.includes(pod));
  const unanswered: string[] = [];
  const ask = async (pod: string): Promise<SessionRecord | undefined> => {
    try {
      return await followFrom(deps, wanted, pod, end, living);
    } catch (error) {
      deps.log.debug({ err: error, peer: pod, session: wanted.id }, 'a pod did not answer for a session');
      unanswered.push(pod);
      return undefined;
    }
  };
  const [likely] = first;
  // Half of the time for whoever most likely has it, the rest for all others at once.
  const found = likely === undefined ? undefined : await ask(likely);
  if (found !== undefined) return { record: found, unanswered };
  const others = await Promise.all(living.filter((pod) => pod !== likely).map(ask));
  const record = others
    .filter((each) => each !== undefined)
    .sort((a, b) => b.version - a.version)
    .at(0);
  return record === undefined ? { unanswered } : { record, unanswered };
}

/** Asks a pod, and those to whom it points. */
async function followFrom(
  deps: FindElsewhereDeps,
  wanted: Wanted,
  pod: string,
  end: number,
  living: readonly string[],
): Promise<SessionRecord | undefined> {
  let at = pod;
  for (let hop = 0; hop <= maxHops; hop++) {
    const left = Math.max(10, (end - deps.clock.monotonic()) / (hop === 0 ? 2 : 1));
    const answer = await withDeadline(deps.peers.handOver(at, wanted.id, left), left, {
      what: `asking ${at} for a session`,
      clock: deps.clock,
    });
    if (answer.is === 'session') {
      const record = await openRecord(deps.keys, handleOf(wanted.id), answer.session.record, true);
      deps.log.info({ session: wanted.id, from: at, version: record.version }, 'a session was handed over');
      return record.id === wanted.id ? record : undefined;
    }
    // A pointer to this pod or to a dead one leads nowhere.
    if (answer.is === 'unknown' || answer.to === deps.pod || !living.includes(answer.to)) return undefined;
    at = answer.to;
  }
  return undefined;
}
