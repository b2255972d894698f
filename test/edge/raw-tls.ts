import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';

export interface RawOptions {
  /** Talks to whoever answers; for pods, whose certificates are not from the public CA. */
  readonly anyServer?: boolean;
  /** Protocols offered in ALPN; default HTTP/1.1. */
  readonly alpn?: readonly string[];
  /** Milliseconds between two pieces; default none. */
  readonly everyMs?: number;
  /** The answer is over when the connection is, or after so many milliseconds without a byte; default 1,000. */
  readonly quietMs?: number;
}

export interface RawAnswer {
  readonly text: string;
  /** The edge has ended the connection. */
  readonly closed: boolean;
}

/** Sends pieces of text to an edge, as they are, and gives what comes back. Waits for 20 s at most for a first byte. */
export function sendRaw(
  url: string,
  publicCa: string,
  pieces: readonly string[],
  options: RawOptions = {},
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const { alpn = ['http/1.1'], everyMs = 0, quietMs = 1000, anyServer = false } = options;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname,
      port: Number(port),
      ca: readFileSync(publicCa),
      ALPNProtocols: [...alpn],
      rejectUnauthorized: !anyServer,
    });
    let text = '';
    let sending = true;
    const over = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, closed });
    };
    let timer = setTimeout(() => over(false), 20_000);
    const send = (at: number): void => {
      const piece = pieces[at];
      sending = piece !== undefined && socket.writable;
      if (piece === undefined || !socket.writable) return;
      socket.write(piece, 'latin1');
      if (everyMs === 0) send(at + 1);
      else setTimeout(() => send(at + 1), everyMs);
    };
    socket.on('secureConnect', () => send(0));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      clearTimeout(timer);
      timer = setTimeout(() => over(false), sending ? 20_000 : quietMs);
    });
    socket.on('close', () => over(true));
    socket.on('error', (error) => {
      // A refused connection is an answer; one that was never there is not.
      if (socket.authorized || anyServer) over(true);
      else reject(error);
    });
  });
}
