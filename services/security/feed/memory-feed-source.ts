import type { Clock } from '#kernel/time/clock.ts';
import type { Member, MemberState } from '../members/member.ts';
import type { NewRevocation, Revocation } from './feed.ts';
import type { FeedNews, FeedSource } from './feed-source.ts';

/** A database in memory, shared by as many feeds as a test wants, with its faults. */
export class MemoryFeedSource implements FeedSource {
  readonly entries: Revocation[] = [];
  readonly members = new Map<string, Member>();
  era = 1;
  policyVersion = 0;
  /** Thrown by every call while it is set. */
  fault: Error | undefined;
  /** Milliseconds that every read takes. */
  readMs = 0;
  reads = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  heartbeat(pod: string, state: MemberState = 'serving', incarnation = 1): void {
    this.members.set(pod, {
      pod,
      incarnation,
      state,
      heartbeatMs: this.#clock.now(),
      feedPosition: this.entries.length,
    });
  }

  first(keepMs: number): Promise<FeedNews> {
    const oldest = this.#clock.now() - keepMs;
    return this.#read((entry) => entry.committedAtMs > oldest);
  }

  since(position: number): Promise<FeedNews> {
    return this.#read((entry) => entry.position > position);
  }

  append(entry: NewRevocation): Promise<number> {
    if (this.fault) return Promise.reject(this.fault);
    const position = this.entries.length + 1;
    this.entries.push({ ...entry, position, committedAtMs: this.#clock.now() });
    return Promise.resolve(position);
  }

  async appendAll(entries: readonly NewRevocation[]): Promise<number> {
    for (const each of entries) await this.append(each);
    return this.entries.length;
  }

  async #read(wanted: (entry: Revocation) => boolean): Promise<FeedNews> {
    this.reads += 1;
    if (this.fault) throw this.fault;
    const news = {
      nowMs: this.#clock.now(),
      era: this.era,
      entries: this.entries.filter(wanted),
      position: this.entries.length,
      more: false,
      policyVersion: this.policyVersion,
      members: [...this.members.values()],
    };
    if (this.readMs > 0) await this.#clock.sleep(this.readMs);
    return news;
  }
}
