import type { Header, ResponseHead } from '../core/channel/multiplex/messages.ts';
import { eventResumption } from './event-resumption.ts';
import { repeatResumption, wholeResumption } from './repeat-resumption.ts';
import type { PreparedRequest } from './request.ts';
import { headersOf } from './response.ts';

/** How the body of one answer goes on after it was cut. */
export interface Resumption {
  /** Milliseconds that it may stay at a link that is to be left, before it goes on elsewhere; undefined: to its end. */
  readonly staysMs: number | undefined;
  /** Takes what has arrived; gives what may be passed on by now. */
  take(chunk: Uint8Array): Uint8Array;
  /** The body has ended: what is left of it, or undefined when it is shorter than it should be. */
  end(): Uint8Array | undefined;
  /** Fields to ask for the rest with; undefined when there is no way. Forgets what was not passed on. */
  ask(): Header[] | undefined;
  /** Whether that answer goes on where this one was cut, or tells that there was nothing left. */
  accept(head: ResponseHead): 'goes-on' | 'complete' | 'other';
  /** For events: bytes passed on, or id of the last event. */
  readonly position: number | string;
}

/** How the caller reads a body, which is known when the first piece is asked for. */
export interface Reading {
  /** To its end, before anything is made of it. */
  whole: boolean;
}

/** What ends within that is not worth another request. */
const rangeStaysMs = 2000;

const nothing = new Uint8Array();

/**
 * RFC 9110 section 14 and the HTML standard's event streams, for whole answers to plain GETs; else, of what may be
 * repeated, the same once more.
 */
export function resumptionOf(request: PreparedRequest, head: ResponseHead, reading: Reading): Resumption {
  const headers = headersOf(head);
  const plain = request.head.method === 'GET' && head.status === 200;
  if (plain && headers.get('content-type')?.startsWith('text/event-stream')) return eventResumption();
  const asksForPart = request.head.headers.some(({ name }) => name === 'range');
  const etag = headers.get('etag');
  const strong = etag !== null && /^"[^"]*"$/.test(etag);
  const ranges = headers.get('accept-ranges')?.toLowerCase() === 'bytes';
  const bodiless = request.head.method === 'HEAD' || head.status === 204 || head.status === 304;
  const length = bodiless ? undefined : lengthOf(headers);
  const byRange = plain && strong && ranges && !asksForPart;
  const repeatable = request.idempotent && request.body.replayable && !bodiless;
  if (!byRange && repeatable) {
    return reading.whole ? wholeResumption(head, length) : repeatResumption(head, length);
  }
  return byteResumption(length, byRange ? etag : undefined);
}

function lengthOf(headers: Headers): number | undefined {
  const length = headers.get('content-length');
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

/** Counts bytes; with a strong validator the rest can be asked for by Range and If-Range. */
function byteResumption(length: number | undefined, etag: string | undefined): Resumption {
  let received = 0;
  return {
    staysMs: etag === undefined ? undefined : rangeStaysMs,
    get position() {
      return received;
    },
    take: (chunk) => {
      received += chunk.length;
      return chunk;
    },
    end: () => (length !== undefined && received < length ? undefined : nothing),
    ask: () => {
      if (etag === undefined) return undefined;
      return [
        { name: 'range', value: `bytes=${received}-` },
        { name: 'if-range', value: etag },
      ];
    },
    accept: (head) => {
      const headers = headersOf(head);
      const range = headers.get('content-range') ?? '';
      if (head.status === 416) return range === `bytes */${received}` ? 'complete' : 'other';
      const same = headers.get('etag') === null || headers.get('etag') === etag;
      return head.status === 206 && same && range.startsWith(`bytes ${received}-`) ? 'goes-on' : 'other';
    },
  };
}
