import { SallyportError } from '../core/errors/error.ts';
import { pauseMs } from './call-edges.ts';
import { type Deadline, orAborted } from './deadline.ts';
import type { SdkListener } from './events.ts';
import { isTransient } from './failure.ts';
import type { Platform } from './platform.ts';
import type { PreparedRequest } from './request.ts';
import { type Reading, type Resumption, resumptionOf } from './resumption.ts';
import type { Answer } from './send-request.ts';

/** Attempts to go on without a single new byte in between; then the body is given up. */
const maxFruitless = 5;
/** Milliseconds for which an answer without a byte was no fruitless one: in event streams nothing may happen for hours. */
const quietMs = 10_000;
/** Milliseconds over which those spread who have to leave at the same time. */
const spreadMs = 500;

export interface ResumeDeps {
  readonly platform: Platform;
  readonly listener: SdkListener | undefined;
  /** Sends a request with all that belongs to it, and a deadline of its own. */
  send(request: PreparedRequest, signal: AbortSignal): Promise<Answer>;
}

/**
 * The body of an answer, made whole again when it is cut and the backend lets it be. Ends with STREAM_CUT
 * when it does not, with the error itself when that is for good, and with the signal's reason.
 */
export async function* resumableBody(
  deps: ResumeDeps,
  request: PreparedRequest,
  answer: Answer,
  signal: AbortSignal,
  reading: Reading,
): AsyncGenerator<Uint8Array> {
  const { platform } = deps;
  const resumption = resumptionOf(request, answer.head, reading);
  let part = answer;
  for (let fruitless = 0; ; fruitless++) {
    const began = platform.monotonic();
    const pieces = part.body[Symbol.asyncIterator]();
    const stay = untilLeft(platform, resumption.staysMs, part.leaving, signal);
    try {
      for (;;) {
        // For a slow reader there is always a piece, which would be faster than any signal.
        stay.signal.throwIfAborted();
        const next = await orAborted(pieces.next(), stay.signal);
        const ready = next.done ? lastOf(resumption) : resumption.take(next.value);
        if (ready.length > 0) {
          yield ready;
          fruitless = 0;
        }
        if (next.done) return;
      }
    } catch (thrown) {
      const error = SallyportError.from(thrown);
      // CANCELLED, when nobody here gave it up, is the proxy's way to say that it broke off.
      const cut = stay.signal.aborted || isTransient(error) || error.reason === 'CANCELLED';
      if (signal.aborted || !cut) throw error;
      if (stay.signal.aborted || platform.monotonic() - began >= quietMs) fruitless = 0;
      const rest = await goOn(deps, request, resumption, { error, fruitless }, signal);
      if (rest === undefined) return;
      part = rest;
    } finally {
      stay.done();
      // Of what is left, nothing is wanted.
      await pieces.return?.();
    }
  }
}

function lastOf(resumption: Resumption): Uint8Array {
  const last = resumption.end();
  if (last === undefined) {
    throw new SallyportError('BACKEND_FAILED', { message: 'the body is shorter than it was announced' });
  }
  return last;
}

/**
 * A signal that is aborted with the other one, and some time after the link is to be left: then the body moves on by
 * itself, while what it leaves still works, and nobody has to wait for it there.
 */
function untilLeft(
  platform: Platform,
  staysMs: number | undefined,
  leaving: AbortSignal | undefined,
  signal: AbortSignal,
): Deadline {
  if (staysMs === undefined || leaving === undefined) return { signal, done: () => {} };
  const end = new AbortController();
  const over = new AbortController();
  const givenUp = (): void => end.abort(signal.reason);
  const left = (): void => {
    platform.sleep(staysMs + platform.random() * spreadMs, over.signal).then(
      () => end.abort(leaving.reason),
      () => undefined,
    );
  };
  if (signal.aborted) givenUp();
  else signal.addEventListener('abort', givenUp, { once: true });
  if (leaving.aborted) left();
  else leaving.addEventListener('abort', left, { once: true });
  return {
    signal: end.signal,
    done: () => {
      signal.removeEventListener('abort', givenUp);
      leaving.removeEventListener('abort', left);
      over.abort();
    },
  };
}

/** The answer that goes on; undefined when there was nothing left. */
async function goOn(
  deps: ResumeDeps,
  request: PreparedRequest,
  resumption: Resumption,
  cut: { error: SallyportError; fruitless: number },
  signal: AbortSignal,
): Promise<Answer | undefined> {
  const headers = resumption.ask();
  if (headers === undefined || cut.fruitless >= maxFruitless) throw streamCut(request, resumption, cut.error);
  const pause = cut.fruitless === 0 ? 0 : pauseMs(deps.platform, cut.fruitless, cut.error);
  await deps.platform.sleep(pause, signal);
  const asked = new Set(headers.map(({ name }) => name));
  const kept = request.head.headers.filter(({ name }) => !asked.has(name));
  const answer = await deps.send(
    { ...request, head: { ...request.head, headers: [...kept, ...headers] } },
    signal,
  );
  const verdict = resumption.accept(answer.head);
  if (verdict === 'goes-on') {
    deps.listener?.({ type: 'resumed', requestId: request.id, from: resumption.position });
    return answer;
  }
  await answer.body[Symbol.asyncIterator]().return?.();
  if (verdict === 'complete') return undefined;
  throw streamCut(request, resumption, cut.error);
}

function streamCut(
  request: PreparedRequest,
  { position }: Resumption,
  cause: SallyportError,
): SallyportError {
  return new SallyportError('STREAM_CUT', {
    message: `the body of ${request.url} was cut after ${typeof position === 'number' ? `${position} bytes` : `event "${position}"`} and cannot be resumed`,
    metadata: { requestId: request.id, because: cause.reason },
    cause,
  });
}
