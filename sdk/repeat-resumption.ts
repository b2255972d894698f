import { concat } from '../core/channel/bytes.ts';
import type { ResponseHead } from '../core/channel/multiplex/messages.ts';
import { SallyportError } from '../core/errors/error.ts';
import { headersOf } from './response.ts';
import type { Resumption } from './resumption.ts';

/** What has arrived is remembered up to here; a longer body without a validator is not asked for again. */
const maxRememberedBytes = 65_536;
/** The answer is another one when these differ. */
const telling = ['content-type', 'content-encoding', 'content-length', 'content-range', 'etag'] as const;

/**
 * A short body without a strong validator, of a request that may be repeated: it is asked for again, and goes on
 * behind what was passed on if it begins with the very same bytes. So the caller has one whole answer, the later
 * one. `length`: as announced.
 */
export function repeatResumption(first: ResponseHead, length: number | undefined): Resumption {
  let passed: Uint8Array | undefined = new Uint8Array();
  let received = 0;
  /** Bytes of the present answer that have been compared with those of the first one, and how many are to be. */
  let compared = 0;
  let known = 0;
  return {
    staysMs: undefined,
    get position() {
      return received;
    },
    take: (chunk) => {
      const again = Math.min(known - compared, chunk.length);
      if (again > 0) {
        assertSame(passed?.subarray(compared, compared + again), chunk);
        compared += again;
      }
      const fresh = chunk.subarray(again);
      received += fresh.length;
      passed = received > maxRememberedBytes || passed === undefined ? undefined : concat(passed, fresh);
      return fresh;
    },
    end: () =>
      compared < known || (length !== undefined && received < length) ? undefined : new Uint8Array(),
    ask: () => {
      if (passed === undefined) return undefined;
      compared = 0;
      known = passed.length;
      return [];
    },
    accept: (head) => (isLike(first, head) ? 'goes-on' : 'other'),
  };
}

/**
 * The same for a reader who wants the whole body or nothing: of a short one nothing is passed on before its end, so
 * that one which says when it was made, or for whom, may begin in another way when it is asked for again.
 */
export function wholeResumption(first: ResponseHead, length: number | undefined): Resumption {
  let held: Uint8Array | undefined = new Uint8Array();
  let received = 0;
  return {
    staysMs: undefined,
    get position() {
      return received;
    },
    take: (chunk) => {
      received += chunk.length;
      if (held === undefined) return chunk;
      const all: Uint8Array = concat(held, chunk);
      held = all.length > maxRememberedBytes ? undefined : all;
      return held === undefined ? all : new Uint8Array();
    },
    end: () => (length !== undefined && received < length ? undefined : (held ?? new Uint8Array())),
    ask: () => {
      if (held === undefined) return undefined;
      held = new Uint8Array();
      received = 0;
      return [];
    },
    accept: (head) => (isLike(first, head) ? 'goes-on' : 'other'),
  };
}

function isLike(first: ResponseHead, head: ResponseHead): boolean {
  const [before, now] = [headersOf(first), headersOf(head)];
  return head.status === first.status && telling.every((name) => before.get(name) === now.get(name));
}

function assertSame(before: Uint8Array | undefined, chunk: Uint8Array): void {
  if (before?.every((byte, at) => byte === chunk[at])) return;
  throw new SallyportError('STREAM_CUT', {
    message: 'the body was cut, and what it is now begins in another way',
  });
}
