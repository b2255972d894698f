import type { MessageInitShape } from '@bufbuild/protobuf';
import type { StreamMessage } from '#core/channel/multiplex/messages.ts';
import { type IncomingRequest, Multiplexer } from '#core/channel/multiplex/multiplexer.ts';
import { decodeStreamMessage, encodeStreamMessage } from '#core/channel/multiplex/stream-codec.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { StreamOpen, StreamRequest, StreamResponseSchema } from '#gen/sallyport/relay/v1/relay_pb.js';
import type { CallContext } from '#kernel/rpc/handlers.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { abortScope } from './abort-scope.ts';
import type { Attachment } from './attachment.ts';
import { relay } from './relay.ts';
import type { RelayServiceDeps } from './relay-service.ts';
import { SendQueue } from './send-queue.ts';
import { stallGuard } from './stall-guard.ts';

type Response = MessageInitShape<typeof StreamResponseSchema>;

/** A device's stream: many requests under one attachment, for as long as it lasts. */
export async function* relayStream(
  deps: RelayServiceDeps,
  requests: AsyncIterable<StreamRequest>,
  call: CallContext,
  clientAddress: string | undefined,
): AsyncGenerator<Response> {
  const incoming = requests[Symbol.asyncIterator]();
  const attachment = claim(deps, await firstOf(deps, incoming));
  const queue = new SendQueue<Response>();
  const multiplexer = multiplex(deps, attachment, queue, clientAddress);
  const end = (reason: SallyportError): void => {
    multiplexer.close(reason);
    queue.cut(reason);
  };
  const stops = [
    onAbort(attachment.ended, end),
    // The server closes, or the device has gone.
    onAbort(call.signal, end),
    onAbort(deps.draining, (reason) => {
      multiplexer.refuseNew(reason);
      whenIdle(deps.clock, multiplexer, () => queue.end(reason));
    }),
  ];
  // Not waited for: while the device says nothing it goes on, until the call is over.
  read(incoming, attachment, multiplexer).then(
    () => queue.end(),
    (error: unknown) => queue.end(error),
  );
  try {
    yield* queue;
  } finally {
    for (const stop of stops) stop();
    multiplexer.close(new SallyportError('CANCELLED', { message: 'the stream has ended' }));
  }
}

/** Calls `run` with the signal's reason once it is aborted, which it may be already. */
function onAbort(signal: AbortSignal, run: (reason: SallyportError) => void): () => void {
  const listener = (): void => run(SallyportError.from(signal.reason));
  if (signal.aborted) listener();
  else signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

async function firstOf(
  { openings }: RelayServiceDeps,
  incoming: AsyncIterator<StreamRequest>,
): Promise<StreamOpen> {
  const first = await openings.first(incoming.next());
  if (first.done || first.value.kind.case !== 'open') {
    throw new SallyportError('MALFORMED', { message: 'a stream begins with the name of its attachment' });
  }
  return first.value.kind.value;
}

/** @throws ATTACH_REQUIRED for an attachment that is not here or has had its stream */
function claim(deps: RelayServiceDeps, open: StreamOpen): Attachment {
  if (deps.draining.aborted) throw deps.draining.reason;
  const attachment = deps.attachments.find(open.sessionId, open.epoch);
  if (attachment.streamed) {
    throw new SallyportError('ATTACH_REQUIRED', { message: 'this attachment has had its stream' });
  }
  attachment.streamed = true;
  return attachment;
}

function multiplex(
  deps: RelayServiceDeps,
  attachment: Attachment,
  queue: SendQueue<Response>,
  clientAddress: string | undefined,
): Multiplexer {
  const seal = (message: StreamMessage): Response => {
    const { sequence, ciphertext } = attachment.sealer.sealStream(encodeStreamMessage(message));
    return { frame: { sequence: BigInt(sequence), ciphertext } };
  };
  return new Multiplexer({
    role: 'proxy',
    send: (message) => queue.push(seal(message)),
    onRequest: (request) => handle(deps, attachment, request, clientAddress),
  });
}

async function handle(
  deps: RelayServiceDeps,
  attachment: Attachment,
  request: IncomingRequest,
  clientAddress: string | undefined,
): Promise<void> {
  // The lease is kept while requests are under way, not while a stream is merely open.
  const done = attachment.use();
  const scope = abortScope(request.signal, attachment.ended);
  const stalled = (): void =>
    scope.abort(new SallyportError('DEADLINE', { message: 'the device neither sends nor takes the body' }));
  const sending = stallGuard(deps.clock, deps.stallMs, stalled);
  const taking = stallGuard(deps.clock, deps.stallMs, stalled);
  try {
    const answer = await relay(deps, attachment, {
      head: request.head,
      body: { [Symbol.asyncIterator]: () => ({ next: () => sending.during(request.body.next()) }) },
      scope,
      clientAddress,
    });
    const { status, headers } = answer;
    const body = request.respond({ status, headers });
    for await (const chunk of answer.body) await heeding(scope.signal, taking.during(body.write(chunk)));
    await body.end();
  } finally {
    sending.stop();
    taking.stop();
    scope.end();
    done();
  }
}

/** A write waits for the device's credit; what ends the request ends that wait too. */
async function heeding(signal: AbortSignal, wait: Promise<void>): Promise<void> {
  const scope = Promise.withResolvers<never>();
  const stop = (): void => scope.reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([wait, scope.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function read(
  incoming: AsyncIterator<StreamRequest>,
  attachment: Attachment,
  multiplexer: Multiplexer,
): Promise<void> {
  for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
    const { kind } = next.value;
    if (kind.case !== 'frame') {
      throw new SallyportError('MALFORMED', { message: 'a stream is opened once' });
    }
    if (attachment.ended.aborted) throw attachment.ended.reason;
    const plaintext = attachment.opener.openStream(kind.value.sequence, kind.value.ciphertext);
    multiplexer.receive(decodeStreamMessage(plaintext));
  }
}

/** Calls `then` once nothing is under way; looked at ten times a second, for as long as the drain lasts. */
function whenIdle(clock: Clock, multiplexer: Multiplexer, then: () => void): void {
  if (multiplexer.closed !== undefined) return;
  if (multiplexer.active === 0) then();
  else clock.setTimer(100, () => whenIdle(clock, multiplexer, then));
}
