import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { SallyportError } from '#core/errors/error.ts';
import type { Changes } from '../changes.ts';
import {
  type ChangeName,
  type ChangeRequest,
  type ControlLine,
  controlSocket,
  requests,
  told,
} from './messages.ts';

const maxBodyBytes = 256 * 1024;
/** Who asks says so at once. */
const requestMs = 10_000;

type Carry = { readonly [N in ChangeName]: (o: ChangeRequest<N>, how: How) => Promise<unknown> };
interface How {
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Serves a mesh's changes on its run folder's socket. Gives the way to end that, once what goes on has ended. */
export async function serveControl(runDir: string, changes: Changes): Promise<() => Promise<void>> {
  const socket = controlSocket(runDir);
  const carry = carriers(changes);
  const server = createServer((request, response) => void serve(request, response, carry));
  server.requestTimeout = requestMs;
  // Left by a runner that was killed; a living one would have kept us from starting.
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  chmodSync(socket, 0o600);
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
    });
}

const carriers = (changes: Changes): Carry => ({
  restart: (o, how) => changes.restart(defined(o), how),
  scale: ({ tier, size }, how) => changes.scale(tier, size, how),
  drain: ({ pod }, how) => changes.drain(pod, how),
  undrain: ({ pod }, how) => changes.undrain(pod, how),
  apply: (o, how) => changes.apply(defined(o), how),
  promoteSite: (_, how) => changes.promoteSite(how),
  rejoinSite: (_, how) => changes.rejoinSite(how),
  rotateCertificates: (o, how) => changes.rotateCertificates(defined(o), how),
});

async function serve(request: IncomingMessage, response: ServerResponse, carry: Carry): Promise<void> {
  const gone = new AbortController();
  response.once('close', () =>
    gone.abort(new SallyportError('CANCELLED', { message: 'whoever asked for it has gone' })),
  );
  const say = (line: ControlLine): void => void response.write(`${JSON.stringify(line)}\n`);
  try {
    const run = await read(request, carry);
    response.writeHead(200, { 'content-type': 'application/jsonl', connection: 'close' });
    // Known to have begun before the first step is told.
    response.flushHeaders();
    const progress = (line: string): void => say({ progress: line });
    say({ result: (await run({ progress, signal: gone.signal })) ?? null });
  } catch (error) {
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/jsonl' });
    say(told(error));
  }
  response.end();
}

/** What is asked for. @throws NOT_FOUND, INVALID_FIELD, MALFORMED, TOO_LARGE */
async function read(request: IncomingMessage, carry: Carry): Promise<(how: How) => Promise<unknown>> {
  const name = (request.url ?? '').slice(1);
  if (request.method !== 'POST' || !isChange(name)) {
    throw new SallyportError('NOT_FOUND', { message: 'a runner is asked by POST for one of its changes' });
  }
  const given = requests[name].safeParse(await body(request));
  if (!given.success) throw new SallyportError('INVALID_FIELD', { message: given.error.message });
  return (how) => (carry[name] as (o: unknown, how: How) => Promise<unknown>)(given.data, how);
}

const isChange = (name: string): name is ChangeName => Object.hasOwn(requests, name);

async function body(request: IncomingMessage): Promise<unknown> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > maxBodyBytes) throw new SallyportError('TOO_LARGE');
  }
  try {
    return JSON.parse(text === '' ? '{}' : text);
  } catch (cause) {
    throw new SallyportError('MALFORMED', { cause });
  }
}

/** Without fields that are undefined. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
