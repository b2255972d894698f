import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';

/** Where a browser comes back to (RFC 8252, section 7.3): this machine only, and whoever knows the state. */
export interface Loopback {
  readonly redirectUri: string;
  /**
   * The URL of the one request that carries this state; others are refused and change nothing.
   * @throws DEADLINE; the signal's reason
   */
  answerTo(
    state: string,
    options: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<string>;
  close(): Promise<void>;
}

/** @param port 0: any that is free */
export async function openLoopback(port: number, clock: Pick<Clock, 'setTimer'>): Promise<Loopback> {
  let take: (url: URL) => boolean = () => false;
  const server = createServer(
    { maxHeaderSize: 32_768 },
    (request: IncomingMessage, response: ServerResponse) => {
      const url = new URL(request.url ?? '/', 'http://loopback');
      const taken = request.method === 'GET' && url.pathname === '/callback' && take(url);
      // The address bar holds a code: nothing may pass it on.
      const headers = {
        'content-type': 'text/plain',
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
      };
      response.writeHead(taken ? 200 : 404, headers);
      response.end(
        taken ? 'Go back to the terminal; this page can be closed.\n' : 'Nobody waits for this.\n',
      );
    },
  );
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const redirectUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
  return {
    redirectUri,
    answerTo: (state, { waitMs, signal }) =>
      new Promise((resolve, reject) => {
        const end = (settle: () => void): void => {
          take = () => false;
          timer.cancel();
          signal.removeEventListener('abort', give);
          settle();
        };
        const give = (): void => end(() => reject(signal.reason));
        const timer = clock.setTimer(waitMs, () =>
          end(() =>
            reject(
              new SallyportError('DEADLINE', {
                message: `nobody has come back from the OpenID provider within ${waitMs / 1000} s`,
                hint: 'begin anew; --wait gives more time',
              }),
            ),
          ),
        );
        take = (url) => {
          if (url.searchParams.get('state') !== state) return false;
          end(() => resolve(`${redirectUri}${url.search}`));
          return true;
        };
        signal.addEventListener('abort', give, { once: true });
        if (signal.aborted) give();
      }),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      // The browser is still reading the one answer, if any.
      const patience = clock.setTimer(500, () => server.closeAllConnections());
      await closed;
      patience.cancel();
    },
  };
}
