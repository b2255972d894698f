/** Real receivers of effects, that count. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { portFinder } from '../ports.ts';

export interface HookReceiver {
  readonly url: string;
  /** Idempotency-Keys in the order of the requests. */
  readonly keys: readonly string[];
  /** Bodies of what took effect. */
  readonly effects: readonly unknown[];
  /** Status codes of the next answers, before it begins to take what comes; 0: none at all. */
  readonly next: number[];
  close(): Promise<void>;
}

/**
 * @param deduplicates answers a key that it knows as before, as draft-ietf-httpapi-idempotency-key-header has it
 * @param halfway is waited for before an effect is had, and before that is said; by default neither takes time
 */
export async function hookReceiver(
  deduplicates: boolean,
  halfway?: () => Promise<void>,
): Promise<HookReceiver> {
  const keys: string[] = [];
  const effects: unknown[] = [];
  const next: number[] = [];
  const answers = new Map<string, string>();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body: unknown = JSON.parse(await text(request));
    const key = String(request.headers['idempotency-key']);
    keys.push(key);
    const status = next.shift();
    if (status === 0) return;
    if (status !== undefined) {
      response.writeHead(status, status === 503 ? { 'retry-after': '0' } : {}).end('not now');
      return;
    }
    await halfway?.();
    let known = deduplicates ? answers.get(key) : undefined;
    if (known === undefined) {
      effects.push(body);
      known = JSON.stringify({ number: effects.length });
      answers.set(key, known);
    }
    await halfway?.();
    response.writeHead(201, { 'content-type': 'application/json' }).end(known);
  };
  const server = createServer((request, response) => void answer(request, response));
  const port = await portFinder()();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    ...{ url: `http://127.0.0.1:${port}/hook`, keys, effects, next },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface MailReceiver {
  readonly port: number;
  /** Whole messages as they came. */
  readonly messages: readonly string[];
  /** Reply codes to the next messages, before it begins to take what comes. */
  readonly next: number[];
  close(): Promise<void>;
}

export async function mailReceiver(): Promise<MailReceiver> {
  const messages: string[] = [];
  const next: number[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onData: (stream, _session, done) => {
      text(stream).then((message) => {
        const responseCode = next.shift();
        if (responseCode !== undefined) return done(Object.assign(new Error('not now'), { responseCode }));
        messages.push(message);
        return done();
      }, done);
    },
  });
  const port = await portFinder()();
  server.listen(port, '127.0.0.1');
  await once(server.server, 'listening');
  return { port, messages, next, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

export const messageIdOf = (message: string): string =>
  /^Message-ID: (.*)$/im.exec(message)?.[1]?.trim() ?? '';
