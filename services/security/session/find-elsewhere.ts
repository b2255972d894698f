import { SallyportError } from '#core/errors/error.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { atMost } from '#kernel/time/at-most.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { withDeadline } from '#kernel/time/deadline.ts';
import type { GatewayAssignments } from '../authorize/gateway-assignments.ts';
import { livingPeers, type Member } from '../members/member.ts';
import { counts } from '../metrics.ts';
import type { Peers } from '../peer/peers.ts';
import { PeerSearch } from './peer-search.ts';
import { handleOf, type SessionRecord } from './record.ts';
import type { RecordKeys } from './seal-record.ts';
import type { SessionStore } from './session-store.ts';

export interface FindElsewhereDeps {
  readonly pod: string;
  /** Undefined: nothing is persisted. */
  readonly store: SessionStore | undefined;
  readonly peers: Peers;
  readonly keys: RecordKeys;
  readonly members: () => readonly Member[];
  /** Reads anew who the members are: what is known of them is up to a second old. */
  readonly refreshMembers: () => Promise<void>;
  /** Database time. */
  readonly now: () => number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds for asking other pods the first time, all in all; default 100. Twice as long each further time. */
  readonly handOverMs?: number;
  /** Which gateways serve it is handed over with it. */
  readonly gateways?: Pick<GatewayAssignments, 'of' | 'adopt'>;
  /** A pod has handed over what the database had given already: it has no copy any more. */
  readonly onLate?: (record: SessionRecord) => void;
}

/** What is looked for. */
export interface Wanted {
  readonly id: string;
  readonly opener: string;
  /** A pod to which this one gave it, if it did. */
  readonly givenTo: string | undefined;
}

export interface Found {
  readonly record: SessionRecord;
  readonly at: 'database' | 'peer';
}

/**
 * Milliseconds that the database has for itself. A read that must see all that was committed takes some 2 ms, up to
 * 430 while a primary is replaced, and for ever without a majority (LAB.md); a pod in whose memory it is does not
 * need any of that.
 */
const headStartMs = 150;
/** Milliseconds between two rounds of questions. */
const roundMs = 150;

/** What the database says about a session. */
type Stored =
  | { readonly is: 'good' | 'expired'; readonly record: SessionRecord }
  | { readonly is: 'none'; readonly record?: undefined }
  | { readonly is: 'fault'; readonly error: unknown };

/**
 * Finds a session that this pod does not hold: in the database, else at its opener, else at any living pod. Whoever
 * gives no answer is asked again until the time is over. Undefined: it is nowhere.
 * @throws UNAVAILABLE when somebody who might have it could not be asked in `timeoutMs`
 */
export async function findElsewhere(
  deps: FindElsewhereDeps,
  wanted: Wanted,
  timeoutMs: number,
): Promise<Found | undefined> {
  const { clock } = deps;
  const end = clock.monotonic() + timeoutMs;
  const left = (): number => end - clock.monotonic();
  const search = new PeerSearch(deps, wanted);
  let stored: Stored | undefined;
  let asking = askDatabase(deps, wanted, timeoutMs).then((answer) => {
    stored = answer;
    return answer;
  });
  await atMost(clock, asking, Math.min(headStartMs, timeoutMs));
  for (;;) {
    if (stored?.is === 'good') return told(stored.record, 'database');
    const asked = livingPods(deps);
    const peers = search.ask(asked, left());
    const first = await Promise.race([peers, onlyIfGood(asking)]);
    if (first !== undefined && 'is' in first) {
      void peers.then(({ record }) => record && deps.onLate?.(record));
      return told(first.record, 'database');
    }
    const { record, unanswered } = first ?? (await peers);
    if (record !== undefined && !isNewer(stored, record) && isConclusive(deps, stored, record, unanswered)) {
      return told(record, 'peer');
    }
    if ((stored?.is === 'expired' || stored?.is === 'none') && unanswered.length === 0) {
      const { is, record } = stored;
      if (await wereAll(deps, asked, left())) return is === 'expired' ? told(record, 'database') : undefined;
      if (left() > roundMs) continue;
    }
    if (left() <= roundMs) throw cannotTell(stored, unanswered);
    await atMost(clock, onlyIfGood(asking), roundMs);
    if (stored?.is === 'fault') {
      stored = undefined;
      asking = askDatabase(deps, wanted, Math.max(1, left())).then((answer) => {
        stored = answer;
        return answer;
      });
    }
  }
}

/** Never rejects, unless what it finds makes no sense. */
async function askDatabase(deps: FindElsewhereDeps, wanted: Wanted, timeoutMs: number): Promise<Stored> {
  if (deps.store === undefined) return { is: 'none' };
  try {
    const record = await deps.store.load(handleOf(wanted.id), timeoutMs);
    if (record?.id !== wanted.id) return { is: 'none' };
    // One that has expired may have been renewed, and the renewal be written behind.
    return { is: record.expiresAtMs > deps.now() ? 'good' : 'expired', record };
  } catch (error) {
    if (SallyportError.from(error).status !== 'UNAVAILABLE') throw error;
    deps.log.warn({ err: error, session: wanted.id }, 'a session could not be looked up in the database');
    return { is: 'fault', error };
  }
}

/** Resolves with the answer if it is a good one; else never. Rejects as the question does. */
function onlyIfGood(asking: Promise<Stored>): Promise<Extract<Stored, { is: 'good' | 'expired' }>> {
  return new Promise((resolve, reject) => {
    asking.then((answer) => {
      if (answer.is === 'good') resolve(answer);
    }, reject);
  });
}

/**
 * Whether nobody lives but those who were asked: a pod that has started meanwhile may have been given what is looked for.
 * @throws UNAVAILABLE when that cannot be found out
 */
async function wereAll(deps: FindElsewhereDeps, asked: readonly string[], leftMs: number): Promise<boolean> {
  const { clock, refreshMembers } = deps;
  try {
    await withDeadline(refreshMembers(), Math.max(1, leftMs), { what: 'asking who is there', clock });
  } catch (cause) {
    throw new SallyportError('UNAVAILABLE', {
      message: 'cannot tell where this session is: who else is there cannot be read',
      retryAfterMs: 300,
      cause,
    });
  }
  return livingPods(deps).every((pod) => asked.includes(pod));
}

const livingPods = (deps: FindElsewhereDeps): string[] =>
  livingPeers(deps.members(), deps.pod).map((member) => member.pod);

const isNewer = (stored: Stored | undefined, record: SessionRecord): boolean =>
  stored?.is === 'expired' && stored.record.version >= record.version;

/** One that has expired may have been renewed: only when nobody can have a newer one is it the answer. */
const isConclusive = (
  deps: FindElsewhereDeps,
  stored: Stored | undefined,
  record: SessionRecord,
  unanswered: readonly string[],
): boolean =>
  record.expiresAtMs > deps.now() ||
  ((stored?.is === 'expired' || stored?.is === 'none') && unanswered.length === 0);

function told(record: SessionRecord, at: Found['at']): Found {
  counts.found.add(1, { at });
  return { record, at };
}

function cannotTell(stored: Stored | undefined, unanswered: readonly string[]): SallyportError {
  const silent = [...unanswered, ...(stored === undefined || stored.is === 'fault' ? ['the database'] : [])];
  return new SallyportError('UNAVAILABLE', {
    message: `cannot tell where this session is: no answer from ${silent.join(', ')}`,
    retryAfterMs: 300,
    cause: stored?.is === 'fault' ? stored.error : undefined,
  });
}
