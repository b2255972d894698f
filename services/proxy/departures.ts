import { SallyportError } from '#core/errors/error.ts';

/** Who is asked to leave, and why. */
type Listener = (reason: SallyportError) => void;

/**
 * Edges that are about to stop, and this proxy itself when it is to have no devices: streams that came that
 * way ask their devices to go on elsewhere.
 */
export class Departures {
  readonly #pod: string;
  readonly #listeners = new Map<Listener, string>();
  #leaving: ReadonlySet<string>;

  constructor(pod: string, leaving: readonly string[]) {
    this.#pod = pod;
    this.#leaving = new Set(leaving);
  }

  /** Who leaves now: an edge's name, or this pod's. Streams of those that are new among them are told. */
  set(leaving: readonly string[]): void {
    const before = this.#leaving;
    this.#leaving = new Set(leaving);
    for (const [listener, edge] of [...this.#listeners]) {
      const reason = [edge, this.#pod].find((name) => this.#leaving.has(name) && !before.has(name));
      if (reason !== undefined) listener(this.#reason(reason));
    }
  }

  /** Is told once, when it begins or at once; not of a way that was left before by this pod's own wish. */
  onLeaving(edge: string, listener: Listener): () => void {
    this.#listeners.set(listener, edge);
    if (this.#leaving.has(edge)) listener(this.#reason(edge));
    return () => void this.#listeners.delete(listener);
  }

  #reason(name: string): SallyportError {
    return name === this.#pod
      ? new SallyportError('ATTACH_REQUIRED', {
          message: 'this proxy takes no calls; attach again elsewhere',
        })
      : new SallyportError('EDGE_LEAVING', { message: `${name} is about to stop` });
  }
}
