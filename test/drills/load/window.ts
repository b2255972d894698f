import { SallyportError } from '#core/errors/error.ts';
import type { Operation as Recorded } from '../history/recorder.ts';
import type { Completion, Invocation } from '../history/schema.ts';
import { type Kind, type KindReport, rareKinds, requestKinds, type Stall } from './messages.ts';
import type { DrillHistory } from './recording.ts';
import type { Trail } from './trail.ts';

export const kinds: readonly Kind[] = [...requestKinds, ...rareKinds, 'fleet', 'slow'];

/** Something that a device or an operator does, from when it is begun. */
export interface Operation {
  readonly kind: Kind;
  readonly what: string;
  /** CLOCK_MONOTONIC, milliseconds. */
  readonly begun: number;
  /** In the history of the drill. */
  readonly recorded?: Recorded | undefined;
}

interface Ended extends Operation {
  readonly ms: number;
  readonly outcome: 'ok' | 'failed' | 'unknown' | 'refused';
  /** The same with the reason. */
  readonly ended: string;
}

/** Calm times of one kind that are remembered, of this window and earlier ones. */
const maxCalm = 2000;
/** Who has waited for so long has met his own deadline (30 s by default, in SDK and tools). */
const callersDeadlineMs = 29_000;
/** For so long after its moment a fault may not have been noticed by everybody, or who is to end has not ended. */
const unnoticedMs = 5000;
/** Until the news of it has reached a device on a busy machine; what it sends meanwhile is on its way to who is gone. */
const newsMs = 500;
/** Examples of one reason, or of what is wrong. */
const maxExamples = 20;

/** Milliseconds that are normal for each kind, learnt while nothing is broken. */
export class Normal {
  readonly #times = new Map<Kind, number[]>();

  learn(kind: Kind, ms: number): void {
    const times = this.#times.get(kind) ?? [];
    this.#times.set(kind, times);
    times.push(ms);
    if (times.length > maxCalm) times.shift();
  }

  /** The median; 0 of what has never been seen. */
  of(kind: Kind): number {
    const sorted = (this.#times.get(kind) ?? []).toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  }
}

/** All operations of one drill, from its first calm seconds to its end. */
export class Window {
  readonly begun: number;
  /** What is recorded of this drill. */
  readonly history: DrillHistory;
  readonly #normal: Normal;
  readonly #now: () => number;
  readonly #trail: Trail;
  readonly #open = new Set<Operation>();
  readonly #ended: Ended[] = [];
  readonly #failures = new Map<string, { count: number; example: string }>();
  readonly #faults: { from: number; to: number | undefined; mayRefuseFrom: number }[] = [];
  /** The longest gaps of streams, which are no operations of their own. */
  readonly #gaps: Ended[] = [];
  readonly lost: string[] = [];
  readonly wrong: string[] = [];
  skipped = 0;
  #looking = 0;
  /** From when on it is calm, and what it takes is normal; undefined until that is known. */
  #calmFrom: number | undefined;
  readonly #brokenNow = new Set<Recorded>();

  constructor(normal: Normal, now: () => number, trail: Trail, history: DrillHistory) {
    this.#trail = trail;
    this.history = history;
    this.#normal = normal;
    this.#now = now;
    this.begun = now();
    this.#calmFrom = this.begun;
  }

  get open(): number {
    return this.#open.size + this.#looking;
  }

  /** What it takes is not normal until `calm` says so: a mesh is new, or is used otherwise than before. */
  settling(): void {
    this.#calmFrom = undefined;
  }

  /** It has been calm from then on. What was before remains in the history, and in what failed. */
  calm(from: number): void {
    this.#calmFrom = from;
    for (const { kind, begun, ms, outcome } of [...this.#ended, ...this.#gaps]) {
      if (outcome === 'ok' && begun >= from) this.#normal.learn(kind, ms);
    }
  }

  /** The longest operation of these kinds that was under way at any time from then on. */
  longestSince(from: number, kinds: readonly Kind[]): Stall {
    const now = this.#now();
    const open = [...this.#open].map((each): Ended => {
      return { ...each, ms: now - each.begun, outcome: 'ok', ended: 'under way' };
    });
    const meant = [...this.#ended, ...open].filter(
      ({ kind, begun, ms }) => begun + ms >= from && kinds.includes(kind),
    );
    return longest(meant, 0, this.#trail);
  }

  /** `invocation` is recorded in the drill's history, with how it ends. */
  begin(kind: Kind, what: string, invocation?: Invocation): Operation {
    const recorded = invocation && this.history.invoke(invocation);
    const operation = { kind, what, begun: this.#now(), recorded };
    this.#open.add(operation);
    return operation;
  }

  /** Something is looked at that is no part of the load, and recorded; the drill has not ended before that has. */
  async look<T>(invocation: Invocation, work: () => Promise<T>, end: (result: T) => Completion): Promise<T> {
    this.#looking += 1;
    const recorded = this.history.invoke(invocation);
    try {
      const result = await work();
      this.history.complete(recorded, end(result));
      return result;
    } catch (error) {
      this.history.complete(recorded, { outcome: 'failed', reason: SallyportError.from(error).reason });
      throw error;
    } finally {
      this.#looking -= 1;
    }
  }

  ok(operation: Operation, seen: Partial<Completion> = {}): void {
    if (operation.recorded) this.history.complete(operation.recorded, { outcome: 'ok', ...seen });
    const ms = this.#end(operation, 'ok');
    if (this.#calmAt(operation.begun, operation.begun + ms)) this.#normal.learn(operation.kind, ms);
  }

  /** An unrepeatable request may end as UNKNOWN_OUTCOME; all else is a failure. */
  failed(operation: Operation, thrown: unknown): void {
    const { reason, message, metadata, status, retryAfterMs } = SallyportError.from(thrown);
    if (operation.recorded) {
      const unknown = operation.kind === 'once' && (reason === 'UNKNOWN_OUTCOME' || reason === 'STREAM_CUT');
      // That it is unknown, the outcome says.
      const why = unknown ? (metadata.because ?? reason) : reason;
      this.history.complete(operation.recorded, { outcome: unknown ? 'unknown' : 'failed', reason: why });
    }
    // The head of an answer had come, so the backend has acted; what it said is cut.
    if (operation.kind === 'once' && (reason === 'UNKNOWN_OUTCOME' || reason === 'STREAM_CUT')) {
      this.#end(operation, 'unknown', `${reason} because ${metadata.because}`);
      return;
    }
    const waited = this.#now() - operation.begun >= callersDeadlineMs;
    if (this.#mayRefuse(operation) && (waited || (status === 'UNAVAILABLE' && retryAfterMs !== undefined))) {
      this.#end(operation, 'refused', reason);
      return;
    }
    this.#end(operation, 'failed', reason);
    const when = this.#faults.length === 0 ? 'before anything was broken, ' : '';
    const because = metadata.because === undefined ? '' : ` because ${metadata.because}`;
    this.#failure(`${when}${operation.kind}: ${reason}${because}`, `${operation.what}: ${message}`);
  }

  /** A stream was silent for so long, of which so much is normal. */
  gap(kind: Kind, what: string, ms: number): void {
    const begun = this.#now() - ms;
    if (this.#calmAt(begun, begun + ms)) this.#normal.learn(kind, ms);
    this.#gaps.push({ kind, what, begun, ms, outcome: 'ok', ended: 'went on' });
    // Only the longest count; the others are there to learn from.
    if (this.#gaps.length > 10_000) {
      this.#gaps.sort((a, b) => b.ms - a.ms);
      this.#gaps.length = 1000;
    }
  }

  isLost(what: string): void {
    if (this.lost.length < maxExamples) this.lost.push(what);
  }

  isWrong(what: string): void {
    if (this.wrong.length < maxExamples) this.wrong.push(what);
  }

  broken(mayRefuseAfterMs = Number.POSITIVE_INFINITY): void {
    const from = this.#now();
    this.#faults.push({ from, to: undefined, mayRefuseFrom: from + mayRefuseAfterMs });
    const fault = { kind: 'fault', client: 'drill', action: 'break', target: 'the mesh' } as const;
    this.#brokenNow.add(this.history.invoke(fault));
  }

  mended(): void {
    for (const fault of this.#faults) fault.to ??= this.#now();
    // What is broken after this is not mended by it.
    const mended = [...this.#brokenNow];
    setTimeout(() => this.endFaults(mended), unnoticedMs);
  }

  /** These, by default all, are recorded as being over. */
  endFaults(faults: Iterable<Recorded> = [...this.#brokenNow]): void {
    for (const fault of faults) {
      if (this.#brokenNow.delete(fault)) this.history.complete(fault, { outcome: 'ok' });
    }
  }

  /** Unrepeatable requests whose time under way meets the time for which something was broken. */
  get inFlight(): number {
    const once = this.#ended.filter(({ kind }) => kind === 'once');
    return once.filter(({ begun, ms }) =>
      this.#faults.some(({ from, to = from }) => begun <= to + newsMs && begun + ms >= from),
    ).length;
  }

  get failures(): string[] {
    return [...this.#failures]
      .toSorted(([, a], [, b]) => b.count - a.count)
      .slice(0, maxExamples)
      .map(([reason, { count, example }]) => `${count} × ${reason} (${example})`);
  }

  report(kind: Kind): KindReport {
    const of = this.#ended.filter((each) => each.kind === kind);
    const count = (outcome: Ended['outcome']): number => of.filter((each) => each.outcome === outcome).length;
    const normalMs = this.#normal.of(kind);
    const timed = kind === 'events' || kind === 'download' ? this.#gaps.filter((g) => g.kind === kind) : of;
    const broken = this.#faults[0]?.from ?? Number.POSITIVE_INFINITY;
    const calmFrom = this.#calmFrom ?? broken;
    return {
      begun: of.length,
      ok: count('ok'),
      failed: count('failed'),
      unknown: count('unknown'),
      refused: count('refused'),
      normalMs,
      calm: longest(
        timed.filter(({ begun, ms }) => begun >= calmFrom && begun + ms < broken),
        normalMs,
        this.#trail,
      ),
      stall: longest(
        timed.filter(({ begun, ms }) => begun + ms >= broken),
        normalMs,
        this.#trail,
      ),
    };
  }

  #end(operation: Operation, outcome: Ended['outcome'], ended: string = outcome): number {
    this.#open.delete(operation);
    const ms = this.#now() - operation.begun;
    this.#ended.push({ ...operation, ms, outcome, ended });
    return ms;
  }

  /**
   * Relaying goes on until then, so what was begun before is to be answered; what else there is may be held from the
   * beginning. Who began long after the mending has nothing to be refused for.
   */
  #mayRefuse({ kind, begun }: Operation): boolean {
    const isRelayed = requestKinds.some((each) => each === kind);
    return this.#faults.some(
      ({ mayRefuseFrom, to = Number.POSITIVE_INFINITY }) =>
        (isRelayed ? begun : this.#now()) >= mayRefuseFrom && begun <= to + callersDeadlineMs,
    );
  }

  #failure(reason: string, example: string): void {
    const known = this.#failures.get(reason);
    if (known) known.count += 1;
    else this.#failures.set(reason, { count: 1, example });
  }

  #calmAt(begun: number, ended: number): boolean {
    if (this.#calmFrom === undefined || begun < this.#calmFrom) return false;
    return !this.#faults.some(({ from }) => from <= ended);
  }
}

function longest(operations: readonly Ended[], normalMs: number, trail: Trail): Stall {
  let worst: Ended | undefined;
  for (const each of operations) if (worst === undefined || each.ms > worst.ms) worst = each;
  if (worst === undefined) return { ms: 0, what: '' };
  const { kind, what, begun, ms } = worst;
  const told = trail.told(what, begun, ms);
  return {
    ms: Math.max(0, Math.round(ms - normalMs)),
    what: `${kind} ${what} (${worst.ended})${told === '' ? '' : `: ${told}`}`,
  };
}
