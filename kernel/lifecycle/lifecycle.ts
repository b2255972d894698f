import { SallyportError } from '#core/errors/error.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { type Clock, elapsed, instant } from '#kernel/time/clock.ts';
import { withDeadline } from '#kernel/time/deadline.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { type Condition, Readiness } from './readiness.ts';

/**
 * - `starting`: parts are being started, no calls are wanted yet
 * - `running`: everything has been started; whether calls are wanted is up to `readiness`
 * - `draining`: no new calls are wanted, those under way are finished
 * - `closing`: parts are being closed, the last started first
 * - `stopped`: nothing is left
 */
export type LifecycleState = 'starting' | 'running' | 'draining' | 'closing' | 'stopped';

export interface LifecycleOptions {
  log: Logger;
  clock?: Clock;
  /** Milliseconds that one part may take to start unless it says otherwise; default 60,000. */
  startMs?: number;
  /** Milliseconds that one drain may take unless it says otherwise; default 10,000. */
  drainMs?: number;
  /** Milliseconds that closing one part may take unless it says otherwise; default 5,000. */
  closeMs?: number;
}

export interface Bound {
  /** Milliseconds; replaces the default. */
  timeoutMs?: number;
}

interface Step {
  readonly name: string;
  readonly run: () => unknown;
  readonly timeoutMs: number;
}

/** A step that takes longer than this is named in the log, again and again. */
const slowMs = 2000;

/** Starts the parts of a process in order and closes them in reverse, each within a bound and named in the log. */
export class Lifecycle {
  readonly readiness: Readiness;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #options: LifecycleOptions;
  readonly #stopping = new AbortController();
  readonly #started: Condition;
  readonly #drains: Step[] = [];
  readonly #closes: Step[] = [];
  readonly #inFlight = new Set<Promise<unknown>>();
  #state: LifecycleState = 'starting';
  #stopped: Promise<void> | undefined;

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#clock = options.clock ?? systemClock;
    this.readiness = new Readiness(options.log);
    this.#started = this.readiness.condition('started');
  }

  get state(): LifecycleState {
    return this.#state;
  }

  /** Aborted when the process begins to stop: long waits and loops end by it. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /**
   * Starts a part, and remembers how to close it.
   * @throws SallyportError DEADLINE after its bound; CANCELLED when the process is stopping; what `start` throws.
   */
  start<T>(
    name: string,
    start: (signal: AbortSignal) => T | Promise<T>,
    close?: (part: T) => unknown,
    bounds: { startMs?: number; closeMs?: number } = {},
  ): Promise<T> {
    const work = this.#start(name, start, close, bounds);
    const settled = work.then(
      () => {},
      () => {},
    );
    this.#inFlight.add(settled);
    void settled.then(() => this.#inFlight.delete(settled));
    return work;
  }

  /** Something to be closed when the process ends; the last deferred is closed first. */
  defer(name: string, close: () => unknown, bound: Bound = {}): void {
    const timeoutMs = bound.timeoutMs ?? this.#options.closeMs ?? 5000;
    this.#closes.push({ name, run: close, timeoutMs });
  }

  /** Something to be finished before anything is closed, in order of registration: streams, queued writes. */
  onDrain(name: string, drain: () => unknown, bound: Bound = {}): void {
    const timeoutMs = bound.timeoutMs ?? this.#options.drainMs ?? 10_000;
    this.#drains.push({ name, run: drain, timeoutMs });
  }

  /** Everything has been started. */
  running(): void {
    if (this.#state !== 'starting') return;
    this.#state = 'running';
    this.#started.set(true);
    const { waitingFor } = this.readiness;
    if (waitingFor.length > 0) this.#log.info({ waitingFor }, 'started, not ready yet');
  }

  /** Drains and closes everything, once; further calls wait for the same end. Failures are logged, not thrown. */
  stop(why: string): Promise<void> {
    this.#stopped ??= this.#stop(why);
    return this.#stopped;
  }

  async #start<T>(
    name: string,
    start: (signal: AbortSignal) => T | Promise<T>,
    close: ((part: T) => unknown) | undefined,
    bounds: { startMs?: number; closeMs?: number },
  ): Promise<T> {
    if (this.stopping.aborted) throw cancelled(name);
    const closeMs = bounds.closeMs ?? this.#options.closeMs ?? 5000;
    const begun = instant(this.#clock);
    const pending = (async () => start(this.stopping))();
    const timeoutMs = bounds.startMs ?? this.#options.startMs ?? 60_000;
    const step: Step = { name: `${name} to start`, run: () => pending, timeoutMs };
    try {
      await this.#run(step);
    } catch (error) {
      // It may still come up after its time; then nobody would close it.
      if (close)
        void pending.then(
          (part) => this.#finish({ name, run: () => close(part), timeoutMs: closeMs }),
          () => {},
        );
      throw error;
    }
    const part = await pending;
    if (close) this.defer(name, () => close(part), { timeoutMs: closeMs });
    this.#log.debug({ part: name, ms: Math.round(elapsed(this.#clock, begun)) }, 'started');
    if (this.stopping.aborted && this.#state !== 'draining') throw cancelled(name);
    return part;
  }

  async #stop(why: string): Promise<void> {
    const begun = instant(this.#clock);
    this.#log.info({ why }, 'stopping');
    this.#state = 'draining';
    this.#started.set(false, why);
    this.#stopping.abort(new SallyportError('CANCELLED', { message: `the process is stopping: ${why}` }));
    for (const step of this.#drains) await this.#finish(step);
    const starts = [...this.#inFlight];
    if (starts.length > 0) {
      await this.#finish({ name: 'what is still starting', run: () => Promise.all(starts), timeoutMs: 5000 });
    }
    this.#state = 'closing';
    for (let step = this.#closes.pop(); step; step = this.#closes.pop()) await this.#finish(step);
    this.#state = 'stopped';
    this.#log.info({ ms: Math.round(elapsed(this.#clock, begun)) }, 'stopped');
  }

  /** Runs a step of stopping: the next one comes whatever becomes of this. */
  async #finish(step: Step): Promise<void> {
    try {
      await this.#run(step);
    } catch (err) {
      this.#log.error({ err, part: step.name }, 'could not be stopped in order; going on');
    }
  }

  async #run(step: Step): Promise<unknown> {
    const begun = instant(this.#clock);
    const reminder = this.#clock.setRepeating(slowMs, () =>
      this.#log.info({ waitingFor: step.name, ms: Math.round(elapsed(this.#clock, begun)) }, 'still waiting'),
    );
    try {
      return await withDeadline(async () => step.run(), step.timeoutMs, {
        what: step.name,
        clock: this.#clock,
      });
    } finally {
      reminder.cancel();
    }
  }
}

function cancelled(name: string): SallyportError {
  return new SallyportError('CANCELLED', { message: `${name} is not started: the process is stopping` });
}
