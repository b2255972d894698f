import { SallyportError } from '#core/errors/error.ts';

/** How a change tells what it does, and how it is given up. */
export interface ChangeOptions {
  /** What happens, a line each; default: what the runner tells. */
  readonly progress?: (line: string) => void;
  /** Gives it up between two steps: a pod that is being changed is brought back before. */
  readonly signal?: AbortSignal;
}

/** The same with everything given. */
export interface Change {
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Lets one change of a mesh run at a time, and tells the next who is in its way. */
export class OneChange {
  readonly #progress: (line: string) => void;
  readonly #closing = new AbortController();
  #now: { readonly what: string; readonly done: Promise<unknown> } | undefined;

  constructor(progress: (line: string) => void) {
    this.#progress = progress;
  }

  /** What is being done. */
  get underWay(): string | undefined {
    return this.#now?.what;
  }

  /** @throws CHANGE_UNDER_WAY; what the body throws; the reason of the signal */
  async run<T>(what: string, options: ChangeOptions, body: (change: Change) => Promise<T>): Promise<T> {
    if (this.#now !== undefined) {
      throw new SallyportError('CHANGE_UNDER_WAY', {
        message: `this mesh is being changed: ${this.#now.what}`,
      });
    }
    const signal = AbortSignal.any([this.#closing.signal, ...(options.signal ? [options.signal] : [])]);
    signal.throwIfAborted();
    const done = body({ progress: options.progress ?? this.#progress, signal });
    this.#now = { what, done };
    try {
      return await done;
    } finally {
      this.#now = undefined;
    }
  }

  /** The mesh stops: what goes on is given up, and nothing else is begun. */
  async close(): Promise<void> {
    this.#closing.abort(new SallyportError('CANCELLED', { message: 'the mesh is being stopped' }));
    // Whoever began it is told what became of it.
    await this.#now?.done.catch(() => undefined);
  }
}
