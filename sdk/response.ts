import { concat } from '../core/channel/bytes.ts';
import type { ResponseHead } from '../core/channel/multiplex/messages.ts';
import { SallyportError } from '../core/errors/error.ts';
import type { Reading } from './resumption.ts';

/** An answer, much as `Response` of the Fetch standard. Its body is read once, one way or another. */
export interface SessionResponse {
  readonly status: number;
  /** 200 to 299. */
  readonly ok: boolean;
  readonly url: string;
  readonly headers: Headers;
  /** Of the request, as the backend saw it in `x-client-request-id`. */
  readonly requestId: string;
  /** The proxy that answered; for people who watch failovers. */
  readonly proxy: string;
  /** Errors with a SallyportError (STREAM_CUT, SESSION_REVOKED …). Cancel it, or read it to its end. */
  readonly body: ReadableStream<Uint8Array>;
  /** @throws TOO_LARGE beyond `maxBytes` */
  bytes(): Promise<Uint8Array>;
  /** As UTF-8. */
  text(): Promise<string>;
  /** @throws MALFORMED when it is not JSON */
  json(): Promise<unknown>;
}

export interface ResponseParts {
  readonly url: string;
  readonly requestId: string;
  readonly proxy: string;
  readonly head: ResponseHead;
  readonly body: AsyncIterable<Uint8Array>;
  /** Wakes whoever waits for the next piece of the body. */
  readonly cancel: () => void;
  readonly maxBytes: number;
  /** Is told how the body is read, before anything of it is. */
  readonly reading: Reading;
}

export function sessionResponse(parts: ResponseParts): SessionResponse {
  const { status } = parts.head;
  const body = streamOf(parts);
  const bytes = (): Promise<Uint8Array> => {
    parts.reading.whole = true;
    return readAll(body, parts.maxBytes);
  };
  const text = async (): Promise<string> => new TextDecoder().decode(await bytes());
  return {
    status,
    ok: status >= 200 && status <= 299,
    url: parts.url,
    headers: headersOf(parts.head),
    requestId: parts.requestId,
    proxy: parts.proxy,
    body,
    bytes,
    text,
    json: async () => parseJson(await text()),
  };
}

export function headersOf(head: ResponseHead): Headers {
  const headers = new Headers();
  for (const { name, value } of head.headers) {
    try {
      headers.append(name, value);
    } catch (cause) {
      throw new SallyportError('MALFORMED', { message: 'the answer has a header that is not valid', cause });
    }
  }
  return headers;
}

function streamOf({ body, cancel }: ResponseParts): ReadableStream<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => {
        // A piece that is being waited for would keep `return` waiting too.
        cancel();
        await pieces.return?.();
      },
    },
    // Nothing is read ahead: back-pressure reaches the backend.
    { highWaterMark: 0 },
  );
}

async function readAll(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concat(...chunks);
    length += value.length;
    if (length > maxBytes) {
      await reader.cancel();
      throw new SallyportError('TOO_LARGE', {
        message: `the body is longer than ${maxBytes} bytes`,
        hint: 'read `body` piece by piece, or allow more with `maxBytes`',
      });
    }
    chunks.push(value);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SallyportError('MALFORMED', { message: 'the body is not JSON', cause });
  }
}
