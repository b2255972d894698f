import type { Logger } from '#kernel/log/logger.ts';

/** One thing that must hold for the pod to take calls. */
export interface Condition {
  readonly name: string;
  readonly met: boolean;
  /** `because` goes into the log when the condition ceases to hold. */
  set(met: boolean, because?: string): void;
}

/**
 * Whether the pod should get calls: when all of its conditions hold. Not to be confused with being alive: a
 * pod whose revocation feed is stale is healthy, must not be restarted, and yet gets no calls.
 */
export class Readiness {
  readonly #log: Logger;
  readonly #unmet = new Set<string>();
  readonly #listeners = new Set<(ready: boolean) => void>();
  #ready = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Names of the conditions that do not hold. */
  get waitingFor(): string[] {
    return [...this.#unmet];
  }

  /** A further condition; it does not hold until it is set. */
  condition(name: string): Condition {
    const readiness = this;
    readiness.#unmet.add(name);
    readiness.#update(name);
    return {
      name,
      get met() {
        return !readiness.#unmet.has(name);
      },
      set: (met, because) => {
        if (met === !readiness.#unmet.has(name)) return;
        if (met) readiness.#unmet.delete(name);
        else readiness.#unmet.add(name);
        readiness.#update(because === undefined ? name : `${name}: ${because}`);
      },
    };
  }

  /** Calls `listener` with the present value and with each change. Returns the way to stop that. */
  observe(listener: (ready: boolean) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#ready);
    return () => void this.#listeners.delete(listener);
  }

  #update(cause: string): void {
    const ready = this.#unmet.size === 0;
    if (ready === this.#ready) return;
    this.#ready = ready;
    if (ready) this.#log.info('ready: taking calls');
    else this.#log.warn({ waitingFor: this.waitingFor, cause }, 'not ready: taking no calls');
    for (const listener of this.#listeners) listener(ready);
  }
}
