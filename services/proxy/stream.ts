import { type IncomingRequest, Multiplexer } from '#core/channel/multiplex/multiplexer.ts';
import { Outbox } from '#core/channel/multiplex/outbox.ts';
import type { OutgoingBody } from '#core/channel/multiplex/outgoing-body.ts';
import { decodeStreamFrame } from '#core/channel/multiplex/stream-codec.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { StreamOpen } from '#gen/sallyport/relay/v1/relay_pb.js';
import type { CallContext } from '#kernel/rpc/handlers.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { Attachment } from './attachment.ts';
import type { BodyInPieces } from './body.ts';
import { relay } from './relay.ts';
import type { RelayServiceDeps } from './relay-service.ts';
import { type StallGuard, stallGuard } from './stall-guard.ts';
import { readStreamRequest, sealedResponse } from './stream-wire.ts';
import { WorkScope } from './work-scope.ts';

/** Milliseconds for which a device that was asked to leave may begin requests here: until it is attached elsewhere. */
const graceMs = 5000;
/** Milliseconds that a device has, after its last answer, to end a stream that it was asked to leave. */
const lingerMs = 2000;

/** A device's stream: many requests under one attachment, for as long as it lasts. Of messages as bytes. */
export async function* relayStream(
  deps: RelayServiceDeps,
  requests: AsyncIterable<Uint8Array>,
  call: CallContext,
): AsyncGenerator<Uint8Array> {
  const incoming = requests[Symbol.asyncIterator]();
  const open = await firstOf(deps, incoming);
  const attachment = claim(deps, open);
  const outbox = new Outbox({ batches: open.batches, later: setImmediate });
  const clientAddress = call.remoteAddress;
  const multiplexer = new Multiplexer({
    role: 'proxy',
    send: (message) => outbox.push(message),
    onRequest: (request) => handle(deps, attachment, request, clientAddress),
  });
  const end = (reason: SallyportError): void => {
    multiplexer.close(reason);
    outbox.cut(reason);
  };
  const leave = (reason: SallyportError): void => {
    multiplexer.refuseNew(reason);
    // The device ends the stream itself once it has its answers; one that does not is not waited for.
    whenIdle(deps.clock, multiplexer, () => {
      deps.clock.setTimer(lingerMs, () => whenIdle(deps.clock, multiplexer, () => outbox.end(reason)));
    });
  };
  const leaveSoon = (reason: SallyportError): void => {
    multiplexer.askToLeave(reason);
    deps.clock.setTimer(graceMs, () => {
      if (multiplexer.closed === undefined) leave(reason);
    });
  };
  const stops = [
    onAbort(attachment.ended, end),
    attachment.onLeaseLost((error) => {
      // What waits here was given under the lease, and cannot be told from what may still be said (invariant I4).
      if (outbox.waiting > 0) end(error);
    }),
    // The server closes, or the device has gone.
    onAbort(call.signal, end),
    onAbort(deps.draining, leave),
    deps.departures.onLeaving(call.caller.pod, leaveSoon),
  ];
  // Not waited for: while the device says nothing it goes on, until the call is over.
  read(incoming, attachment, multiplexer).then(
    () => outbox.end(),
    (error: unknown) => outbox.end(error),
  );
  const seal = (plaintext: Uint8Array): Uint8Array => sealedResponse(attachment.sealer, plaintext);
  try {
    for (;;) {
      const frame = await outbox.take(seal);
      if (frame === undefined) return;
      yield frame;
    }
  } finally {
    for (const stop of stops) stop();
    const ended = new SallyportError('CANCELLED', { message: 'the stream has ended' });
    multiplexer.close(ended);
    // Nobody takes any more: nobody is to wait for room either.
    outbox.cut(ended);
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
  incoming: AsyncIterator<Uint8Array>,
): Promise<StreamOpen> {
  const first = await openings.first(incoming.next());
  const said = first.done ? undefined : readStreamRequest(first.value);
  if (said?.kind !== 'open') {
    throw new SallyportError('MALFORMED', { message: 'a stream begins with the name of its attachment' });
  }
  return said.open;
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

async function handle(
  deps: RelayServiceDeps,
  attachment: Attachment,
  request: IncomingRequest,
  clientAddress: string | undefined,
): Promise<void> {
  const scope = new WorkScope();
  // The lease is kept while requests are under way, not while a stream is merely open.
  const done = attachment.use(scope);
  request.onFailed((error) => scope.giveUp(error));
  const stalled = (): void =>
    scope.giveUp(new SallyportError('DEADLINE', { message: 'the device neither sends nor takes the body' }));
  const sending = stallGuard(deps.clock, deps.stallMs, stalled);
  const taking = stallGuard(deps.clock, deps.stallMs, stalled);
  let answer: OutgoingBody | undefined;
  try {
    // What came in the same frame as the head, often all of the request, is here after that.
    await undefined;
    await relay(
      deps,
      attachment,
      { head: request.head, body: guarded(request, sending, scope), scope, clientAddress },
      {
        head: (head) => {
          answer = request.respond(head);
        },
        data: (piece) => {
          const wait = answer?.offer(piece);
          return wait && heeding(scope, taking.during(wait));
        },
      },
    );
    await answer?.end();
  } finally {
    sending.stop();
    taking.stop();
    done();
  }
}

function guarded({ body }: IncomingRequest, guard: StallGuard, scope: WorkScope): BodyInPieces {
  return {
    takeRest: () => body.takeRest(),
    [Symbol.asyncIterator]: () => ({ next: () => heeding(scope, guard.during(body.next())) }),
  };
}

/** What waits for the device, for its body or its credit, ends with the request. */
async function heeding<T>(scope: WorkScope, wait: Promise<T>): Promise<T> {
  const givenUp = Promise.withResolvers<never>();
  const forget = scope.onGivenUp(() => givenUp.reject(scope.reason));
  try {
    return await Promise.race([wait, givenUp.promise]);
  } finally {
    forget();
  }
}

async function read(
  incoming: AsyncIterator<Uint8Array>,
  attachment: Attachment,
  multiplexer: Multiplexer,
): Promise<void> {
  for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
    const said = readStreamRequest(next.value);
    if (said.kind !== 'frame') {
      throw new SallyportError('MALFORMED', { message: 'a stream is opened once' });
    }
    if (attachment.ended.aborted) throw attachment.ended.reason;
    const plaintext = attachment.opener.openStream(said.sequence, said.ciphertext);
    for (const message of decodeStreamFrame(plaintext)) multiplexer.receive(message);
  }
}

/** Calls `then` once nothing is under way; looked at ten times a second, for as long as the drain lasts. */
function whenIdle(clock: Clock, multiplexer: Multiplexer, then: () => void): void {
  if (multiplexer.closed !== undefined) return;
  if (multiplexer.active === 0) then();
  else clock.setTimer(100, () => whenIdle(clock, multiplexer, then));
}
