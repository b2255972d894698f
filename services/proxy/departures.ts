import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';

/** Who is asked to leave, and why. */
type Listener = (reason: SallyportError) => void;

/**
 * Milliseconds between two streams that are asked. Attaching anew costs all tiers some 15 ms of a core (TLS above all),
 * while they serve others; with three proxies this is 25 devices a second.
 */
const stepMs = 120;
/** Milliseconds within which all are asked, however many they are: less than whoever stops an edge waits for. */
const spreadMs = 12_000;

/**
 * Edges that are about to stop, and this proxy itself when it is to have no devices: streams that came that
 * way ask their devices to go on elsewhere, one after the other.
 */
export class Departures {
  readonly #pod: string;
  readonly #clock: Pick<Clock, 'setTimer'>;
  readonly #listeners = new Map<Listener, string>();
  #leaving: ReadonlySet<string>;

  constructor(pod: string, leaving: readonly string[], clock: Pick<Clock, 'setTimer'>) {
    this.#pod = pod;
    this.#clock = clock;
    this.#leaving = new Set(leaving);
  }

  /** Who leaves now: an edge's name, or this pod's. Streams of those that are new among them are told within 12 s. */
  set(leaving: readonly string[]): void {
    const before = this.#leaving;
    this.#leaving = new Set(leaving);
    const toldBy = [...this.#listeners].flatMap(([listener, edge]) => {
      const name = [edge, this.#pod].find((each) => this.#leaving.has(each) && !before.has(each));
      return name === undefined ? [] : [{ listener, name }];
    });
    const everyMs = Math.min(stepMs, spreadMs / toldBy.length);
    for (const [at, { listener, name }] of toldBy.entries()) {
      this.#clock.setTimer(at * everyMs, () => {
        // It may have ended meanwhile, and whoever was to leave may stay.
        if (this.#listeners.has(listener) && this.#leaving.has(name)) listener(this.#reason(name));
      });
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
