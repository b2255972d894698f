import type { RequestFacts, SessionFacts } from '#core/policy/facts.ts';
import type { Grant } from '#core/policy/grant.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Clock, Timer } from '#kernel/time/clock.ts';
import { caseRow, type RecordedRow } from './recorded-cases.ts';

/** A decision as it was made. */
interface Decided {
  readonly session: SessionFacts;
  readonly request: RequestFacts;
  readonly grant: Pick<Grant, 'allow' | 'reason'>;
  /** Unix milliseconds, database time. */
  readonly atMs: number;
}

export interface DecisionSampleDeps {
  readonly write: (rows: readonly RecordedRow[]) => Promise<void>;
  readonly clock: Clock;
  /** From 0 up to, but not including, 1. */
  readonly random: () => number;
  readonly log: Logger;
}

/** Milliseconds from one writing to the next. */
export const sampleEveryMs = 10_000;
/** Decisions that are written each time at most. */
export const samplePerWrite = 50;

/**
 * Keeps some of the decisions that this pod makes, for dry runs: of those between two writings at most 50, each with the
 * same chance (reservoir sampling, Vitter's algorithm R). Costs a decision an addition and a random number; whatever
 * takes longer is done when it writes. What cannot be written is left out.
 */
export class DecisionSample {
  readonly #deps: DecisionSampleDeps;
  readonly #timer: Timer;
  #kept: Decided[] = [];
  #seen = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: DecisionSampleDeps) {
    this.#deps = deps;
    this.#timer = deps.clock.setRepeating(sampleEveryMs, () => void this.flush());
  }

  note(session: SessionFacts, request: RequestFacts, grant: Grant, atMs: number): void {
    const place = this.#seen++;
    const at = place < samplePerWrite ? place : Math.floor(this.#deps.random() * (place + 1));
    if (at < samplePerWrite) this.#kept[at] = { session, request, grant, atMs };
  }

  /** Writes what was kept; resolves, too, when it could not be written. */
  flush(): Promise<void> {
    const kept = this.#kept;
    this.#kept = [];
    this.#seen = 0;
    if (kept.length > 0) this.#writing = this.#writing.then(() => this.#write(kept));
    return this.#writing;
  }

  async #write(kept: readonly Decided[]): Promise<void> {
    try {
      await this.#deps.write(kept.flatMap((each) => caseRow(each) ?? []));
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'a sample of decisions was not stored');
    }
  }

  close(): Promise<void> {
    this.#timer.cancel();
    return this.flush();
  }
}
