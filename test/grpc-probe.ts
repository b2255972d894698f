import { type ClientHttp2Session, connect, type SecureClientSessionOptions } from 'node:http2';
import { createConnection } from 'node:net';
import type { Seen } from './fake-mesh.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** From headers or trailers; undefined if neither had one. */
  readonly grpcStatus: string | undefined;
  /** What a pretended process saw; undefined if none was reached. */
  readonly seen: Seen | undefined;
  readonly body: string;
}

/** A bare HTTP/2 client for gRPC calls with an empty message, by Unix socket or TLS. */
export class Probe {
  readonly #session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
    // Each call reports its own failure.
    session.on('error', () => session.destroy());
  }

  static overSocket(path: string): Probe {
    return new Probe(connect('http://mesh', { createConnection: () => createConnection(path) }));
  }

  static overTls(url: string, tls: SecureClientSessionOptions): Probe {
    return new Probe(connect(url, tls));
  }

  /** Resolves when the call has ended; rejects when it was cut, or nothing came for `silenceMs`. */
  call(path: string, headers: Record<string, string> = {}, silenceMs = 10_000): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      let head: Record<string, string | string[] | undefined> = {};
      let trailers: Record<string, string | string[] | undefined> = {};
      let body = '';
      stream.setTimeout(silenceMs, () => stream.destroy(new Error(`${path}: no answer in ${silenceMs} ms`)));
      stream.on('response', (h) => {
        head = Object.fromEntries(Object.entries(h).map(([k, v]) => [k, typeof v === 'number' ? `${v}` : v]));
      });
      stream.on('trailers', (t) => {
        trailers = Object.fromEntries(Object.entries(t));
      });
      stream.on('data', (chunk: Buffer) => {
        body += chunk.toString('latin1');
      });
      stream.on('error', reject);
      stream.on('end', () => {
        const seen = head['x-seen'];
        const grpcStatus = trailers['grpc-status'] ?? head['grpc-status'];
        resolve({
          status: Number(head[':status']),
          headers: head,
          grpcStatus: typeof grpcStatus === 'string' ? grpcStatus : undefined,
          seen: typeof seen === 'string' ? (JSON.parse(seen) as Seen) : undefined,
          body,
        });
      });
      stream.end(Buffer.from([0, 0, 0, 0, 0]));
    });
  }

  close(): void {
    this.#session.destroy();
  }
}
