import type { Clock } from '#kernel/time/clock.ts';

export interface RepeatLimitOptions {
  /** Lines of one kind in one window; default 20. */
  burst?: number;
  /** Length of a window in ms; default 10,000. */
  windowMs?: number;
  /** Kinds that are told apart at a time; default 1,000. Beyond it, all further kinds count as one. */
  maxKinds?: number;
  clock: Clock;
  /** Told at the end of a window in which lines were dropped. */
  onDropped: (kind: string, count: number) => void;
}

interface Window {
  left: number;
  dropped: number;
}

/** Lets a burst of equal lines pass and counts the rest: a broken peer must not fill the disk. */
export class RepeatLimit {
  readonly #burst: number;
  readonly #windowMs: number;
  readonly #maxKinds: number;
  readonly #clock: Clock;
  readonly #onDropped: (kind: string, count: number) => void;
  readonly #windows = new Map<string, Window>();

  constructor(options: RepeatLimitOptions) {
    this.#burst = options.burst ?? 20;
    this.#windowMs = options.windowMs ?? 10_000;
    this.#maxKinds = options.maxKinds ?? 1000;
    this.#clock = options.clock;
    this.#onDropped = options.onDropped;
  }

  /** Whether a line of this kind may be written now. */
  allows(wanted: string): boolean {
    const kind = this.#windows.has(wanted) || this.#windows.size < this.#maxKinds ? wanted : 'other lines';
    let window = this.#windows.get(kind);
    if (!window) {
      window = { left: this.#burst, dropped: 0 };
      this.#windows.set(kind, window);
      this.#clock.setTimer(this.#windowMs, () => this.#end(kind));
    }
    if (window.left > 0) {
      window.left--;
      return true;
    }
    window.dropped++;
    return false;
  }

  /** Ends all windows at once, telling what was dropped; before the process ends. */
  flush(): void {
    for (const kind of [...this.#windows.keys()]) this.#end(kind);
  }

  #end(kind: string): void {
    const window = this.#windows.get(kind);
    this.#windows.delete(kind);
    if (window && window.dropped > 0) this.#onDropped(kind, window.dropped);
  }
}
