import { SallyportError } from '#core/errors/error.ts';
import { Health, HealthCheckResponse_ServingStatus as Serving } from '#gen/grpc/health/v1/health_pb.js';
import { type Implementation, implement } from './implement.ts';

/**
 * Which services of this process may be called, as Envoy's health checks see it; the empty name stands for
 * the process. Everything begins as NOT_SERVING.
 */
export class HealthState {
  readonly #serving = new Map<string, boolean>([['', false]]);
  readonly #watchers = new Set<() => void>();

  /** @param services full names of services that are told apart from the process as a whole */
  constructor(services: readonly string[] = []) {
    for (const name of services) this.#serving.set(name, false);
  }

  /** Sets one service, or all of them and the process when no name is given. */
  set(serving: boolean, service?: string): void {
    if (service !== undefined) this.#serving.set(service, serving);
    else for (const name of this.#serving.keys()) this.#serving.set(name, serving);
    for (const wake of [...this.#watchers]) wake();
  }

  /** Undefined for a service that this process does not have. */
  isServing(service = ''): boolean | undefined {
    return this.#serving.get(service);
  }

  get all(): ReadonlyMap<string, boolean> {
    return this.#serving;
  }

  /** Calls `wake` after every change until the function it gives back is called. */
  onChange(wake: () => void): () => void {
    this.#watchers.add(wake);
    return () => this.#watchers.delete(wake);
  }
}

const statusOf = (serving: boolean | undefined): Serving =>
  serving === undefined ? Serving.SERVICE_UNKNOWN : serving ? Serving.SERVING : Serving.NOT_SERVING;

/** grpc.health.v1: https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
export function implementHealth(state: HealthState): Implementation {
  return implement(
    Health,
    {
      check: async ({ service }) => {
        const serving = state.isServing(service);
        if (serving === undefined) {
          throw new SallyportError('NOT_FOUND', { message: 'this process has no service of that name' });
        }
        return { status: statusOf(serving) };
      },
      list: async () => ({
        statuses: Object.fromEntries(
          [...state.all].map(([name, serving]) => [name, { status: statusOf(serving) }]),
        ),
      }),
      watch: async function* ({ service }, { signal }) {
        let told: Serving | undefined;
        let wake = (): void => {};
        const end = state.onChange(() => wake());
        const abort = (): void => wake();
        signal.addEventListener('abort', abort);
        try {
          while (!signal.aborted) {
            const status = statusOf(state.isServing(service));
            const changed = new Promise<void>((resolve) => {
              wake = resolve;
            });
            if (status !== told) {
              told = status;
              yield { status };
              // It may have changed again, or all may be over, while the caller took that.
              if (statusOf(state.isServing(service)) !== status || signal.aborted) continue;
            }
            await changed;
          }
          throw signal.reason;
        } finally {
          end();
          signal.removeEventListener('abort', abort);
        }
      },
    },
    { admitted: false },
  );
}
