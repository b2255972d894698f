import type { Server } from '@grpc/grpc-js';
import { SallyportError } from '#core/errors/error.ts';
import { grpcStatus } from './grpc-call.ts';

export function unknownMethod(path: string): SallyportError {
  return new SallyportError('UNKNOWN_METHOD', { message: `there is no method ${path.slice(0, 200)} here` });
}

/**
 * Lets a grpc-js server answer calls of unknown methods with our error instead of a bare UNIMPLEMENTED.
 * grpc-js offers no such hook, so its table of handlers is replaced by one that has an answer for every
 * path. Should a later release keep its table elsewhere, nothing happens here (grpc-js's own answer has
 * the same code), and the spec says so.
 */
export function answerUnknownMethods(server: Server, pod: string | undefined): void {
  const handlers: unknown = Reflect.get(server, 'handlers');
  if (handlers instanceof Map) Reflect.set(server, 'handlers', new HandlersOrUnknown(handlers, pod));
}

class HandlersOrUnknown extends Map<string, unknown> {
  readonly #pod: string | undefined;

  constructor(handlers: Map<string, unknown>, pod: string | undefined) {
    super(handlers);
    this.#pod = pod;
  }

  override get(path: string): unknown {
    return super.get(path) ?? this.#unknown(path);
  }

  #unknown(path: string): object {
    const func = (call: { emit(event: 'error', status: object): unknown }): void => {
      call.emit('error', grpcStatus(unknownMethod(path), this.#pod ? { pod: this.#pod } : {}));
    };
    // The most general kind: it needs no request before it answers.
    return { func, type: 'bidi', path, serialize: asItIs, deserialize: asItIs };
  }
}

const asItIs = (bytes: Buffer): Buffer => bytes;
