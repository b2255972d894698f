import { SallyportError } from '../core/errors/error.ts';
import { pauseMs } from './call-edges.ts';
import { orAborted } from './deadline.ts';
import type { SdkListener } from './events.ts';
import { isTransient } from './failure.ts';
import type { Platform } from './platform.ts';
import type { PreparedRequest } from './request.ts';
import { type Resumption, resumptionOf } from './resumption.ts';
import type { Answer } from './send-request.ts';

/** Attempts to go on without a single new byte in between; then the body is given up. */
const maxFruitless = 5;

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
): AsyncGenerator<Uint8Array> {
  const resumption = resumptionOf(request, answer.head);
  let { body } = answer;
  for (let fruitless = 0; ; fruitless++) {
    const pieces = body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await orAborted(pieces.next(), signal);
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
      const cut = isTransient(error) || error.reason === 'CANCELLED';
      if (signal.aborted || !cut) throw error;
      const rest = await goOn(deps, request, resumption, { error, fruitless }, signal);
      if (rest === undefined) return;
      body = rest;
    } finally {
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

/** The body of the answer that goes on; undefined when there was nothing left. */
async function goOn(
  deps: ResumeDeps,
  request: PreparedRequest,
  resumption: Resumption,
  cut: { error: SallyportError; fruitless: number },
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array> | undefined> {
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
    return answer.body;
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
