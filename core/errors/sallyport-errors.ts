import { fromConnectError } from './from-wire.ts';

/**
 * A Connect client (of `createClient`) whose calls fail with SallyportErrors: promises and streams alike.
 * Needs nothing of Connect, and runs in browsers.
 */
export function withSallyportErrors<T extends object>(client: T): T {
  return new Proxy(client, {
    get: (target, name, receiver) => {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== 'function') return method;
      return (...args: unknown[]): unknown => converted(Reflect.apply(method, target, args));
    },
  });
}

function converted(result: unknown): unknown {
  if (result instanceof Promise) return result.catch(fail);
  return isIterable(result) ? { [Symbol.asyncIterator]: () => convertedSteps(result) } : result;
}

/** Steps as a client gives them: `next` only, since leaving early is by the call's signal. */
function convertedSteps(stream: AsyncIterable<unknown>): AsyncIterator<unknown> {
  const steps = stream[Symbol.asyncIterator]();
  return { next: () => steps.next().catch(fail) };
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

function fail(thrown: unknown): never {
  throw fromConnectError(thrown);
}
