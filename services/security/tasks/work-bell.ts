import type { TaskService } from '#gen/sallyport/task/v1/task_pb.js';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { requireRole } from '../authorize/callers.ts';

/** Milliseconds between two signs of life of a stream. */
const heartbeatMs = 5000;

/** Tells the workers that listen at this pod that there may be work. */
export class WorkBell {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ring(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Serves TaskService.AwaitWork. However often it rings between two reads, it is told once. */
  readonly awaitWork: Handlers<typeof TaskService>['awaitWork'] = (_, call) => {
    requireRole(call, 'worker');
    return this.#told(call.signal);
  };

  async *#told(signal: AbortSignal): AsyncGenerator<{ work: boolean }, void> {
    let work = false;
    let wake: () => void = () => {};
    const listener = (): void => {
      work = true;
      wake();
    };
    this.#listeners.add(listener);
    try {
      // Whatever was submitted before it listened is found by the worker's own look after this.
      yield { work: false };
      while (!signal.aborted) {
        if (!work) {
          const rung = new Promise<void>((resolve) => {
            wake = resolve;
          });
          const stop = new AbortController();
          const quiet = this.#clock.sleep(heartbeatMs, AbortSignal.any([signal, stop.signal]));
          await Promise.race([rung, quiet.catch(() => undefined)]);
          stop.abort();
        }
        const told = work;
        work = false;
        yield { work: told };
      }
      throw signal.reason;
    } finally {
      this.#listeners.delete(listener);
    }
  }
}
