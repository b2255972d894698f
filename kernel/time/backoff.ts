export interface BackoffOptions {
  /** Milliseconds before the first repetition. */
  baseMs: number;
  /** Growth per repetition; default 2. */
  factor?: number;
  /** The longest delay in milliseconds. */
  capMs: number;
  /**
   * How much of each delay is random, 0 to 1; default 0.5. With 1 the delay is anywhere in (0, full]
   * ("full jitter"): callers that failed together do not come back together.
   */
  jitter?: number;
}

export interface Backoff {
  /** Milliseconds to wait before the next repetition. */
  next(): number;
  /** Begins again at `baseMs`; call it after a success. */
  reset(): void;
}

/** Exponentially growing delays. `random` gives numbers in [0, 1). */
export function backoff(options: BackoffOptions, random: () => number): Backoff {
  const { baseMs, factor = 2, capMs, jitter = 0.5 } = options;
  let full = Math.min(baseMs, capMs);
  return {
    next: () => {
      const delay = full * (1 - jitter * random());
      full = Math.min(full * factor, capMs);
      return delay;
    },
    reset: () => {
      full = Math.min(baseMs, capMs);
    },
  };
}
