import { create, type DescMessage, type Message } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import { Status } from '#core/errors/status.ts';
import type { Admission } from './admission.ts';
import { Encoded } from './encoded.ts';
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

  /**
   * Runs an RPC with one response. `request` may throw; it counts as the handler's work. A handler that answers at once
   * is answered for at once: a promise costs more than many of the things that are asked.
   */
  one<T>(
    route: Route & { kind: 'unary' | 'client_streaming' },
    call: ServerCall,
    request: () => T,
    run: (request: T) => Promise<Init> | Init,
  ): Promise<Made> | Made {
    const stay = this.#begin(route, call);
    try {
      const response = stay.observation.run(() => run(request()));
      if (response instanceof Promise) return this.#later(route, stay, response);
      const whole = made(route, response);
      this.#succeeded(stay);
      return whole;
    } catch (thrown) {
      throw this.#failed(stay, thrown);
    }
  }

  async #later(route: Route, stay: Stay, response: Promise<Init>): Promise<Made> {
    try {
      const whole = made(route, await response);
      this.#succeeded(stay);
      return whole;
    } catch (thrown) {
      throw this.#failed(stay, thrown);
    }
  }

  /** Runs what is no RPC, but is asked for and answered like one. */
  async plain<T>(call: ServerCall, run: () => Promise<T>): Promise<T> {
    const stay = this.#begin({ kind: 'unary', admitted: true }, call);
    try {
      const answer = await stay.observation.run(run);
      this.#succeeded(stay);
      return answer;
    } catch (thrown) {
      throw this.#failed(stay, thrown);
    }
  }

  /** Runs an RPC with many responses; each is asked for when the one before has been taken. */
  many<T>(
    route: Route & { kind: 'server_streaming' | 'bidi_streaming' },
    call: ServerCall,
    request: () => T,
    run: (request: T) => AsyncIterable<Init>,
  ): AsyncGenerator<Made, void, undefined> {
    return this.#each(route, call, request, run, (response) => made(route, response));
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
      throw this.#failed(stay, thrown);
    } finally {
      if (!failed) this.#succeeded(stay);
    }
  }

  /** Ends what is still in flight, in an orderly way: signals abort, callers get UNAVAILABLE. */
  abortAll(): void {
    for (const call of this.#active) call.abort(closing);
  }

  #begin(route: Pick<Route, 'kind' | 'admitted'>, call: ServerCall): Stay {
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
    return { call, observation, leave };
  }

  #end({ call, leave }: Stay): void {
    leave?.();
    this.#active.delete(call);
    call.abort(ended);
  }

  #succeeded(stay: Stay): void {
    if (stay.call.over) this.#fail(stay.call, stay.observation, undefined);
    else stay.observation.end(0);
    this.#end(stay);
  }

  /** Logs what was thrown, and gives the error to be sent. */
  #failed(stay: Stay, thrown: unknown): SallyportError {
    const error = this.#fail(stay.call, stay.observation, thrown);
    this.#end(stay);
    return error;
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

/** A response whole, as a message or as its bytes. */
export type Made = Message | Encoded<DescMessage>;
type Init = Made | Record<string, unknown>;

function made(route: Route, response: Init): Made {
  return response instanceof Encoded ? response : create(route.method.output, response);
}

/** A call from its admission to its end. */
interface Stay {
  readonly call: ServerCall;
  readonly observation: RpcObservation;
  readonly leave: (() => void) | undefined;
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
