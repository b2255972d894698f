import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { type Answer, type Collected, readAnswer } from './answer.ts';

export interface CallOptions {
  /** Beside those that every gRPC call has, or instead of them. */
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** Default: a call that says nothing for so long is given up, in milliseconds; 20,000. */
  readonly silenceMs?: number;
  /** Default POST. */
  readonly method?: string;
  /** Streams: leave the request open after the last message; the server is expected to end the call. */
  readonly open?: boolean;
}

/** The message of a gRPC or gRPC-Web call with its prefix: a flag and its length. */
export function framed(message: Uint8Array, flag = 0, length = message.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag, 0);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}

/**
 * Calls an edge with whatever bytes one likes, over HTTP/2 and TLS, and reads what it says: what no proper
 * client could send.
 */
export class EdgeCaller {
  readonly #url: string;
  readonly #ca: Buffer;
  #session: ClientHttp2Session | undefined;

  /** `publicCa` is a file. */
  constructor(url: string, publicCa: string) {
    this.#url = url;
    this.#ca = readFileSync(publicCa);
  }

  /** A gRPC call with one message. */
  call(path: string, message: Uint8Array, options: CallOptions = {}): Promise<Answer> {
    return this.send(path, [framed(message)], options);
  }

  /** A call with any body, whose content type is that of gRPC unless told otherwise. */
  async send(path: string, body: readonly Uint8Array[], options: CallOptions = {}): Promise<Answer> {
    const stream = await this.open(path, options);
    const collected = collect(stream, path, options.silenceMs ?? 20_000);
    for (const piece of body) stream.write(piece);
    if (options.open !== true) stream.end();
    let answered = false;
    try {
      const answer = readAnswer(await collected);
      answered = true;
      return answer;
    } finally {
      // What was not sent of an answered request stays counted against the connection's window in Node, so that
      // after some of them nothing is sent over it any more. Nor is one trusted on which no answer came.
      const sent = options.open === true ? stream.writableLength === 0 : stream.writableFinished;
      if (!answered || !sent) this.#session?.close();
      if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
    }
  }

  /** A request of which only the head was sent. */
  async open(path: string, { headers = {}, method = 'POST' }: CallOptions = {}): Promise<ClientHttp2Stream> {
    const session = await this.#connected();
    return session.request({
      ':method': method,
      ':path': path,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
      ...headers,
    });
  }

  close(): void {
    this.#session?.destroy();
  }

  /** An edge closes connections on which it has met too bad a request; then there is a new one. */
  async #connected(): Promise<ClientHttp2Session> {
    const before = this.#session;
    if (before !== undefined && !before.destroyed && !before.closed) return before;
    const session = connect(this.#url, { ca: this.#ca });
    this.#session = session;
    await new Promise<void>((resolve, reject) => {
      session.once('connect', () => resolve());
      session.once('error', reject);
    });
    // Each call reports its own failure.
    session.on('error', () => session.destroy());
    session.on('goaway', () => session.close());
    return session;
  }
}

/** All of an answer. Rejects when the stream is reset without one, or nothing comes for `silenceMs`. */
function collect(stream: ClientHttp2Stream, what: string, silenceMs: number): Promise<Collected> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let headers: Collected['headers'] = {};
    let trailers: Collected['trailers'] = {};
    // Not `stream.setTimeout`, which goes on waiting while something is still to be written.
    const silent = setTimeout(
      () => stream.destroy(new Error(`${what}: no answer in ${silenceMs} ms`)),
      silenceMs,
    );
    stream.on('close', () => clearTimeout(silent));
    stream.on('response', (given) => {
      headers = given;
      silent.refresh();
    });
    stream.on('trailers', (given) => {
      trailers = given;
    });
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      silent.refresh();
    });
    stream.on('error', reject);
    // Of a stream that was answered and reset before all was written, Node may never say that it has closed.
    stream.on('end', () => {
      if (stream.writableLength > 0) stream.destroy();
    });
    stream.on('close', () =>
      resolve({ headers, trailers, body: Buffer.concat(chunks), reset: stream.rstCode }),
    );
  });
}
