import { SallyportError } from '#core/errors/error.ts';
import type { GatewayLink, InvokeStreamRequest } from '#gen/sallyport/gateway/v1/gateway_pb.js';
import type { Logger } from '#kernel/log/logger.ts';
import type { GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { podHeader } from '#kernel/rpc/pod-header.ts';
import { backoff } from '#kernel/time/backoff.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { bodyOf, type Perform } from './gateway-service.ts';

export interface DialOutDeps {
  readonly client: GrpcClient<typeof GatewayLink>;
  readonly perform: Perform;
  /** Streams to one proxy that wait for a call. */
  readonly idle: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

/**
 * Keeps streams open to a proxy, each of which waits for one call, until `stop`. Calls that were begun go on until
 * `end`. Never rejects.
 */
export async function dialOut(
  deps: DialOutDeps,
  proxy: string,
  stop: AbortSignal,
  end: AbortSignal,
): Promise<void> {
  await Promise.all(Array.from({ length: deps.idle }, () => keepOne(deps, proxy, stop, end)));
}

/** One place in line: a stream that waits for a call; when it has got one, the next. */
async function keepOne(deps: DialOutDeps, proxy: string, stop: AbortSignal, end: AbortSignal): Promise<void> {
  const { clock, random, log } = deps;
  const pause = backoff({ baseMs: 100, capMs: 2000 }, random);
  const going = new Set<Promise<void>>();
  while (!stop.aborted) {
    try {
      const call = serveOne(deps, proxy, stop, end);
      const done = call.done.finally(() => going.delete(done));
      going.add(done);
      await call.taken;
      pause.reset();
    } catch (err) {
      if (stop.aborted) break;
      log.debug({ err, proxy }, 'a proxy has ended a link');
      await clock.sleep(Math.max(1, pause.next()), stop).catch(() => undefined);
    }
  }
  await Promise.all(going);
}

interface Link {
  /** Resolves when a call has come. @throws why none will */
  readonly taken: Promise<void>;
  /** Resolves when it is over, however. */
  readonly done: Promise<void>;
}

function serveOne(
  { client, perform, log }: DialOutDeps,
  proxy: string,
  stop: AbortSignal,
  end: AbortSignal,
): Link {
  const taken = Promise.withResolvers<void>();
  const serve = async (): Promise<void> => {
    const gone = new AbortController();
    const link = client.serve({ headers: { [podHeader]: proxy }, signal: end });
    // One that still waits is given up when this pod leaves.
    const leave = (): void => link.cancel();
    stop.addEventListener('abort', leave, { once: true });
    try {
      await link.send({ kind: { case: 'ready', value: {} } });
      const incoming = requestsOf(link.responses, gone);
      const first = await incoming.next();
      stop.removeEventListener('abort', leave);
      if (first.done || first.value.kind.case !== 'start') throw new SallyportError('MALFORMED');
      taken.resolve();
      const call = { caller: 'proxy', signal: AbortSignal.any([gone.signal, end]) };
      try {
        for await (const kind of perform(first.value.kind.value, whole(incoming), call)) {
          await link.send({ kind: { case: 'answer', value: { kind } } });
        }
      } catch (thrown) {
        const { reason, message, metadata, retryAfterMs = 0 } = SallyportError.from(thrown);
        const value = { reason, message: message.slice(0, 1000), metadata: { ...metadata }, retryAfterMs };
        await link.send({ kind: { case: 'failure', value } });
      }
      link.end();
      // The proxy ends it when it has all: what was sent is not cut.
      while (!(await incoming.next()).done);
    } finally {
      stop.removeEventListener('abort', leave);
      link.cancel();
    }
  };
  const done = serve().catch((err: unknown) => {
    taken.reject(err);
    log.debug({ err, proxy }, 'a link has broken');
  });
  // Whoever waits for it has gone when this pod stops.
  taken.promise.catch(() => undefined);
  return { taken: taken.promise, done };
}

/** The body; after it, reads on: so it is noticed when the proxy gives the call up. */
async function* whole(incoming: AsyncIterator<InvokeStreamRequest>): AsyncGenerator<Uint8Array> {
  yield* bodyOf(incoming);
  // What it comes to is told by `gone`.
  incoming.next().catch(() => undefined);
}

/** Aborts `gone` when no more can come: the proxy has given the call up, or is gone. */
async function* requestsOf(
  responses: AsyncIterable<{ readonly request?: InvokeStreamRequest | undefined }>,
  gone: AbortController,
): AsyncGenerator<InvokeStreamRequest> {
  try {
    for await (const { request } of responses) if (request !== undefined) yield request;
  } finally {
    gone.abort(new SallyportError('CANCELLED', { message: 'the proxy has ended the call' }));
  }
}
