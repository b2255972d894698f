import { SallyportError } from '#core/errors/error.ts';
import type { DatabaseTime } from '#kernel/db/database-time.ts';
import type { CallOptions } from '#kernel/db/db.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { type Clock, type Instant, instant, type Timer } from '#kernel/time/clock.ts';
import type { Member } from '../members/member.ts';
import { counts } from '../metrics.ts';
import type { Revocable } from '../session/record.ts';
import type { Feed, FeedTransaction, NewRevocation, Revocation, RevokeResult, RevokeWait } from './feed.ts';
import type { FeedNews, FeedSource } from './feed-source.ts';
import type { Freshness } from './freshness.ts';
import { RevocationIndex } from './revocation-index.ts';

/** Whom else an entry must reach. */
export interface Fleet {
  /** Tells the other pods, without waiting. */
  push(entries: readonly Revocation[]): void;
  /**
   * Resolves when nobody can accept any more what ends at `position`: all `members` have acknowledged, or
   * their time has run out. Undefined: nobody knows who they are, so everybody's time must run out.
   */
  settle(position: number, committed: Instant, members: readonly Member[] | undefined): Promise<void>;
}

export interface RevocationFeedDeps {
  readonly source: FeedSource;
  readonly time: DatabaseTime;
  readonly freshness: Freshness;
  readonly clock: Clock;
  readonly log: Logger;
  /** The era this process was started in. */
  readonly era: number;
  /** Milliseconds of the longest session life: entries are kept as long. */
  readonly keepMs: number;
  /** Milliseconds between two looks; default 1000. */
  readonly pollMs?: number;
  /** Everything but the entries themselves, after each look. */
  readonly onNews?: (news: FeedNews) => void;
  /** Another era has begun: this process has nothing more to say. */
  readonly onEraEnd?: (era: number) => void;
}

/** Entries that are kept to be told to those who come later. */
const maxRecent = 10_000;
/** Milliseconds for which a commit waits for its own entry to be read back. */
const readBackMs = 5000;
/** Milliseconds between two clearings of entries that concern nobody any more. */
const forgetEveryMs = 60_000;

/** Reads the feed every second, when told of news, and after every commit of its own. */
export class RevocationFeed implements Feed {
  readonly #deps: RevocationFeedDeps;
  readonly #index = new RevocationIndex();
  readonly #listeners = new Set<(entry: Revocation) => void>();
  #recent: Revocation[] = [];
  #position = -1;
  #members: readonly Member[] = [];
  #fleet: Fleet = { push: () => {}, settle: () => Promise.resolve() };
  #timer: Timer | undefined;
  #reading: Promise<void> | undefined;
  #failing = false;
  #forgotAt = 0;

  constructor(deps: RevocationFeedDeps) {
    this.#deps = deps;
  }

  /** Reads everything once (throws if it cannot), then goes on reading until {@link close}. */
  async start(fleet: Fleet): Promise<void> {
    this.#fleet = fleet;
    await this.refresh();
    this.#timer = this.#deps.clock.setRepeating(this.#deps.pollMs ?? 1000, () => {
      void this.#tryRefresh();
    });
  }

  close(): void {
    this.#timer?.cancel();
  }

  get position(): number {
    return Math.max(0, this.#position);
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  assertFresh(): void {
    this.#deps.freshness.assert();
  }

  async append(entry: NewRevocation, tx?: FeedTransaction, held?: CallOptions): Promise<number> {
    const { source, time } = this.#deps;
    const position = await source.append(entry, tx, held);
    // Committed, and nothing before it is missing here: it counts without being read back.
    if (tx === undefined && position === this.#position + 1) {
      this.#apply([{ ...entry, position, committedAtMs: time.now() }]);
    }
    return position;
  }

  appendAll(entries: readonly NewRevocation[], tx: FeedTransaction): Promise<number> {
    return this.#deps.source.appendAll(entries, tx);
  }

  async revokeAndPush(entry: NewRevocation, wait: RevokeWait, held?: CallOptions): Promise<RevokeResult> {
    return this.announce(await this.append(entry, undefined, held), wait);
  }

  async announce(position: number, wait: RevokeWait): Promise<RevokeResult> {
    const { clock, log } = this.#deps;
    const committed = instant(clock);
    const before = this.#position;
    if (wait === 'COMMITTED' && before >= position) {
      this.#fleet.push(this.entriesAfter(position - 1) ?? []);
      return { position, everywhere: false };
    }
    let members: readonly Member[] | undefined;
    try {
      // A look that begins after the commit: the members it finds are all that may not have read the entry.
      await this.refresh();
      members = this.#members;
      await this.readTo(position);
    } catch (error) {
      // It is committed, so everybody will read it in time, this pod too; or none of us answers any more.
      log.warn({ err: error, position }, 'an own revocation could not be read back yet');
    }
    this.#fleet.push(this.entriesAfter(Math.min(before, position - 1)) ?? []);
    if (wait === 'COMMITTED') return { position, everywhere: false };
    await this.#fleet.settle(position, committed, members);
    return { position, everywhere: true };
  }

  isRevoked(session: Revocable): boolean {
    return this.#index.isRevoked(session);
  }

  subscribe(tell: (entry: Revocation) => void): () => void {
    this.#listeners.add(tell);
    return () => this.#listeners.delete(tell);
  }

  /** The entries after `position`, or undefined when they are no longer (or not yet) all here. */
  entriesAfter(position: number): Revocation[] | undefined {
    const [oldest] = this.#recent;
    if (position >= this.#position) return [];
    if (oldest === undefined || position < oldest.position - 1) return undefined;
    return this.#recent.filter((entry) => entry.position > position);
  }

  /** Takes committed entries that another pod pushed; reads the rest if some are missing between. */
  async take(entries: readonly Revocation[]): Promise<void> {
    const last = entries.at(-1);
    if (last === undefined) return;
    const next = entries.filter((entry) => entry.position > this.#position);
    if (next.every((entry, n) => entry.position === this.#position + 1 + n)) this.#apply(next);
    else await this.readTo(last.position);
  }

  /** @throws STALE when `position` could not be read in time; whatever the last look failed with is its cause */
  async readTo(position: number): Promise<void> {
    const { clock } = this.#deps;
    const end = clock.monotonic() + readBackMs;
    let cause: unknown;
    while (this.#position < position) {
      try {
        await this.refresh();
      } catch (error) {
        cause = error;
        if (clock.monotonic() >= end) break;
        await clock.sleep(100);
      }
      if (clock.monotonic() >= end) break;
    }
    if (this.#position < position) throw new SallyportError('STALE', { cause, retryAfterMs: 500 });
  }

  /** A look that begins now, or, while one is under way, right after it. */
  async refresh(): Promise<void> {
    if (this.#reading !== undefined) await this.#reading.catch(ignoreHere);
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #tryRefresh(): Promise<void> {
    // A look that takes longer than the interval is not overtaken by the next.
    if (this.#reading !== undefined) return;
    try {
      await this.refresh();
      if (this.#failing)
        this.#deps.log.info({ position: this.#position }, 'the revocation feed is read again');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#deps.log.warn({ err: error }, 'the revocation feed cannot be read');
      this.#failing = true;
    }
  }

  async #read(): Promise<void> {
    const { source, clock, time, freshness, keepMs } = this.#deps;
    for (;;) {
      const startedAt = instant(clock);
      const first = this.#position < 0;
      const news = first ? await source.first(keepMs) : await source.since(this.#position);
      if (news.era !== this.#deps.era) {
        freshness.end(`era ${this.#deps.era}, in which this pod was started, is over`);
        this.#deps.onEraEnd?.(news.era);
        throw new SallyportError('STALE');
      }
      time.learn(news.nowMs, startedAt);
      this.#members = news.members;
      // Another pod may have pushed some of them meanwhile.
      this.#apply(
        news.entries.filter((entry) => entry.position > this.#position),
        first ? news.position : undefined,
      );
      if (!news.more) {
        freshness.readBegun(startedAt);
        this.#forget(news.nowMs - keepMs);
        this.#deps.onNews?.(news);
        return;
      }
    }
  }

  #forget(committedBeforeMs: number): void {
    const now = this.#deps.clock.monotonic();
    if (now - this.#forgotAt < forgetEveryMs) return;
    this.#forgotAt = now;
    this.#index.forgetBefore(committedBeforeMs);
  }

  #apply(entries: readonly Revocation[], position?: number): void {
    for (const entry of entries) {
      if (position === undefined && entry.position !== this.#position + 1) {
        // Cannot be while positions come from the counter row; believing it would hide a revocation.
        throw new SallyportError('INTERNAL', {
          message: `the feed has a gap between ${this.#position} and ${entry.position}`,
        });
      }
      this.#index.add(entry);
      counts.revocations.add(1, { kind: entry.kind });
      this.#position = entry.position;
      this.#recent.push(entry);
    }
    if (position !== undefined) this.#position = Math.max(this.#position, position);
    if (this.#recent.length > maxRecent) this.#recent = this.#recent.slice(-maxRecent / 2);
    for (const entry of entries) for (const tell of [...this.#listeners]) tell(entry);
  }
}

/** Whoever waits for the look that failed is told; this is only its successor's queue. */
const ignoreHere = (): undefined => undefined;
