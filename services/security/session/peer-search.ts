import { withDeadline } from '#kernel/time/deadline.ts';
import type { HandOverAnswer, TravellingSession } from '../peer/peers.ts';
import type { FindElsewhereDeps, Wanted } from './find-elsewhere.ts';
import { handleOf, type SessionRecord } from './record.ts';
import { openRecord } from './seal-record.ts';

export interface PeerAnswers {
  readonly record?: SessionRecord;
  /** Living pods that gave no answer in time. */
  readonly unanswered: readonly string[];
}

/** Pods that one question is passed on to. */
const maxHops = 3;

/** One search for a session among the other pods. Who has said that it does not have it is not asked again. */
export class PeerSearch {
  readonly #deps: FindElsewhereDeps;
  readonly #wanted: Wanted;
  readonly #without = new Set<string>();
  #living = '';
  #rounds = 0;

  constructor(deps: FindElsewhereDeps, wanted: Wanted) {
    this.#deps = deps;
    this.#wanted = wanted;
  }

  /**
   * One round: whoever most likely has it, then all others at once. Never rejects. Each has twice as long as the one
   * before, so that it is found on a machine that is too busy for the first.
   * @param leftMs for the whole search
   */
  async ask(living: readonly string[], leftMs: number): Promise<PeerAnswers> {
    const { clock, log, handOverMs = 100 } = this.#deps;
    const { id, givenTo, opener } = this.#wanted;
    const end = clock.monotonic() + Math.min(leftMs, handOverMs * 2 ** this.#rounds++);
    const now = [...living].sort().join();
    // A pod that has gone may have given to one that was asked before.
    if (now !== this.#living) this.#without.clear();
    this.#living = now;
    const open = living.filter((pod) => !this.#without.has(pod));
    const unanswered: string[] = [];
    const ask = async (pod: string): Promise<SessionRecord | undefined> => {
      try {
        const record = await this.#follow(pod, end, living);
        if (record === undefined) this.#without.add(pod);
        return record;
      } catch (error) {
        log.debug({ err: error, peer: pod, session: id }, 'a pod did not answer for a session');
        unanswered.push(pod);
        return undefined;
      }
    };
    const likely = [givenTo, opener].find((pod) => pod !== undefined && open.includes(pod));
    // Half of the time for whoever most likely has it, the rest for all others at once.
    const found = likely === undefined ? undefined : await ask(likely);
    if (found !== undefined) return { record: found, unanswered };
    const others = await Promise.all(open.filter((pod) => pod !== likely).map(ask));
    const record = others
      .filter((each) => each !== undefined)
      .sort((a, b) => b.version - a.version)
      .at(0);
    return record === undefined ? { unanswered } : { record, unanswered };
  }

  /**
   * Asks a pod, and those to whom it points. A pointer may lead to a pod that is just being given the session, or that
   * has lost it: then whoever gave it gives it again.
   */
  async #follow(pod: string, end: number, living: readonly string[]): Promise<SessionRecord | undefined> {
    let at = pod;
    let giver: string | undefined;
    for (let hop = 0; hop <= maxHops; hop++) {
      const answer = await this.#askOne(at, end, hop);
      if (answer.is === 'session') return this.#open(at, answer.session);
      // A pointer to this pod leads nowhere.
      const pointer = answer.is === 'forwarded' && answer.to !== this.#deps.pod ? answer.to : undefined;
      if (pointer !== undefined && living.includes(pointer)) {
        giver = at;
        at = pointer;
        continue;
      }
      const [from, notAt] = pointer === undefined ? [giver, at] : [at, pointer];
      if (from === undefined) return undefined;
      const again = await this.#askOne(from, end, hop + 1, notAt);
      return again.is === 'session' ? this.#open(from, again.session) : undefined;
    }
    return undefined;
  }

  #askOne(pod: string, end: number, hop: number, notAt?: string): Promise<HandOverAnswer> {
    const { clock, peers } = this.#deps;
    const left = Math.max(10, (end - clock.monotonic()) / (hop === 0 ? 2 : 1));
    return withDeadline(peers.handOver(pod, this.#wanted.id, left, notAt), left, {
      what: `asking ${pod} for a session`,
      clock,
    });
  }

  async #open(from: string, session: TravellingSession): Promise<SessionRecord | undefined> {
    const { keys, log, gateways } = this.#deps;
    const { id } = this.#wanted;
    const record = await openRecord(keys, handleOf(id), session.record, true);
    gateways?.adopt(handleOf(id), session.gateways ?? {});
    log.info({ session: id, from, version: record.version }, 'a session was handed over');
    return record.id === id ? record : undefined;
  }
}
