import { create, type Message } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import { Status } from '#core/errors/registry.ts';
import type { Admission } from './admission.ts';
import type { Route } from './implement.ts';
import type { RpcObservation, RpcObserver } from './observer.ts';
import { closing, ended, type ServerCall } from './server-call.ts';
import type { RpcLog } from './server-options.ts';

/**
 * What happens to every call at either server, around its handler: admission, observation, and errors
 * converted and logged, here and only here.
 */
export class Pipeline {
  readonly #admission: Admission;
  readonly #observer: RpcObserver;
  readonly #log: RpcLog;
  readonly #active = new Set<ServerCall>();

  constructor(admission: Admission, observer: RpcObserver, log: RpcLog) {
    this.#admission = admission;
    this.#observer = observer;
    this.#log = log;
  }

  /** Calls whose handlers have not returned yet. */
  get active(): number {
    return this.#active.size;
  }

  /** Runs an RPC with one response. `request` may throw; it counts as the handler's work. */
  async one<T>(
    route: Route & { kind: 'unary' | 'client_streaming' },
    call: ServerCall,
    request: () => T,
    run: (request: T) => Promise<Message | Record<string, unknown>>,
  ): Promise<Message> {
    const stay = this.#begin(route, call);
    try {
      const response = await stay.observation.run(() => run(request()));
      const message = create(route.method.output, response);
      stay.succeed();
      return message;
    } catch (thrown) {
      throw stay.fail(thrown);
    }
  }

  /** Runs an RPC with many responses; each is asked for when the one before has been taken. */
  many<T>(
    route: Route & { kind: 'server_streaming' | 'bidi_streaming' },
    call: ServerCall,
    request: () => T,
    run: (request: T) => AsyncIterable<Message | Record<string, unknown>>,
  ): AsyncGenerator<Message, void, undefined> {
    return this.#each(route, call, request, run, (response) => create(route.method.output, response));
  }

  /** As `many`, for responses that are bytes already. */
  raw(
    route: Route & { kind: 'raw_streaming' },
    call: ServerCall,
    run: () => AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#each(
      route,
      call,
      () => undefined,
      run,
      (response) => response,
    );
  }

  async *#each<T, R, M>(
    route: Route,
    call: ServerCall,
    request: () => T,
    run: (request: T) => AsyncIterable<R>,
    made: (response: R) => M,
  ): AsyncGenerator<M, void, undefined> {
    const stay = this.#begin(route, call);
    let failed = false;
    try {
      // Every step by hand: a generator runs in the context of whoever asks it for its next value.
      const within = <R>(work: () => R): R => stay.observation.run(work);
      const responses = within(() => run(request())[Symbol.asyncIterator]());
      try {
        for (;;) {
          const next = await within(() => responses.next());
          if (next.done) return;
          yield made(next.value);
        }
      } finally {
        await within(() => responses.return?.());
      }
    } catch (thrown) {
      failed = true;
      throw stay.fail(thrown);
    } finally {
      if (!failed) stay.succeed();
    }
  }

  /** Ends what is still in flight, in an orderly way: signals abort, callers get UNAVAILABLE. */
  abortAll(): void {
    for (const call of this.#active) call.abort(closing);
  }

  #begin(route: Route, call: ServerCall): Stay {
    const observation = this.#observer.start({
      method: call.method,
      side: 'server',
      header: (name) => call.header(name),
      setHeader: () => {},
    });
    let leave: (() => void) | undefined;
    try {
      leave = route.admitted ? this.#admission.enter(route.kind === 'unary' ? 'call' : 'stream') : undefined;
    } catch (thrown) {
      throw this.#fail(call, observation, thrown);
    }
    this.#active.add(call);
    const end = (): void => {
      leave?.();
      this.#active.delete(call);
      call.abort(ended);
    };
    return {
      observation,
      succeed: () => {
        if (call.over) this.#fail(call, observation, undefined);
        else observation.end(0);
        end();
      },
      fail: (thrown) => {
        const error = this.#fail(call, observation, thrown);
        end();
        return error;
      },
    };
  }

  #fail(call: ServerCall, observation: RpcObservation, thrown: unknown): SallyportError {
    // Whatever falls over because the caller has gone is not what went wrong.
    const error = call.over ? call.reason : SallyportError.from(thrown);
    observation.end(Status[error.status], error);
    const level = levels[error.status] ?? 'info';
    const { role, pod } = call.caller;
    const fields = { rpc: call.method, request_id: call.requestId, caller: pod ? `${role}/${pod}` : role };
    const aside = call.over && thrown !== undefined ? { thrown } : {};
    this.#log[level]({ ...fields, err: error, ...aside }, `${call.method} failed: ${error.reason}`);
    return error;
  }
}

interface Stay {
  readonly observation: RpcObservation;
  readonly succeed: () => void;
  /** Logs what was thrown, and gives the error to be sent. */
  readonly fail: (thrown: unknown) => SallyportError;
}

/** Ours to mend: error. Ours to watch: warn. What callers do wrong: info. */
const levels: Partial<Record<keyof typeof Status, keyof RpcLog>> = {
  INTERNAL: 'error',
  UNKNOWN: 'error',
  DATA_LOSS: 'error',
  UNAVAILABLE: 'warn',
  ABORTED: 'warn',
  CANCELLED: 'debug',
  DEADLINE_EXCEEDED: 'info',
};
