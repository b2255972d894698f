import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import type { BackupDuty } from './backup/duty.ts';
import type { Keeper } from './keeper.ts';
import type { Log } from './log.ts';
import { askStatus } from './peers.ts';

export interface HttpOptions {
  readonly socketPath: string;
  readonly keeper: Keeper;
  readonly duty: Pick<BackupDuty, 'answer' | 'now'>;
  readonly log: Log;
  /** Begins to stop the node; returns at once. */
  readonly stop: (handover: boolean) => void;
  /** Moves the role of primary away; gives the pod that has it now. */
  readonly handOver: () => Promise<string | undefined>;
}

const maxBodyBytes = 4096;
const stopBody = z.object({ handover: z.boolean().default(true) });

/**
 * The agent's HTTP on its Unix socket.
 * GET /primary, /replica, /readable, /live: 200 or 503, for health checks; /status: JSON (status.ts).
 * A primary's /readable carries `x-envoy-degraded`.
 * GET /backup: JSON (backup/duty.ts).
 * POST /stop {"handover": bool}, /handover, /bootstrap, /rebuild, /promote, /backup (a snapshot now): orders; through a sidecar only for operators.
 * @throws if another agent answers on the socket already.
 */
export async function serveHttp(o: HttpOptions): Promise<Server> {
  const other = await askStatus({ socketPath: o.socketPath, host: 'agent' }, 500).catch(() => undefined);
  if (other) throw new Error(`another agent (of ${other.pod}) answers on ${o.socketPath}`);
  await rm(o.socketPath, { force: true });
  const server = createServer((request, response) => {
    handle(o, request, response).catch((error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      o.log('warn', 'a request failed', { url: request.url, error: text });
      if (!response.headersSent) reply(response, error instanceof z.ZodError ? 400 : 500, { error: text });
    });
  });
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(o.socketPath, resolve);
  });
  await chmod(o.socketPath, 0o600);
  return server;
}

async function handle(o: HttpOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { keeper } = o;
  const check = (good: boolean): void =>
    reply(response, good ? 200 : 503, { ok: good, state: keeper.status.state });
  switch (`${request.method} ${request.url}`) {
    case 'GET /primary':
      return check(keeper.answers('primary'));
    case 'GET /replica':
      return check(keeper.answers('replica'));
    case 'GET /readable':
      // Envoy reads from a host that says so only while no other will do.
      if (keeper.answers('primary')) response.setHeader('x-envoy-degraded', 'true');
      return check(keeper.answers('readable'));
    case 'GET /live':
      return reply(response, 200, { ok: true });
    case 'GET /status':
      return reply(response, 200, keeper.status);
    case 'GET /backup':
      return reply(response, 200, o.duty.answer);
  }
  if (request.method !== 'POST') return reply(response, 404, { error: 'no such path' });
  if (!mayOrder(request)) return reply(response, 403, { error: 'only operators give orders' });
  switch (request.url) {
    case '/stop': {
      const { handover } = stopBody.parse(JSON.parse((await readBody(request)) || '{}'));
      reply(response, 202, { ok: true });
      return o.stop(handover);
    }
    case '/handover':
      return reply(response, 200, { primary: (await o.handOver()) ?? null });
    case '/bootstrap':
      keeper.forceBootstrap();
      return reply(response, 202, { ok: true });
    case '/rebuild': {
      const refusal = keeper.rebuild();
      return refusal === undefined
        ? reply(response, 202, { ok: true })
        : reply(response, 409, { error: refusal });
    }
    case '/promote': {
      const refusal = keeper.promote();
      return refusal === undefined
        ? reply(response, 202, { ok: true })
        : reply(response, 409, { error: refusal });
    }
    case '/backup':
      return o.duty.now()
        ? reply(response, 202, o.duty.answer)
        : reply(response, 409, { error: 'this node makes no backups at present' });
    default:
      return reply(response, 404, { error: 'no such path' });
  }
}

/**
 * A request without XFCC came straight to the socket, which only this machine's owner of the mesh can
 * open. The sidecar sets XFCC and discards what a caller sent under that name (SANITIZE_SET).
 */
function mayOrder(request: IncomingMessage): boolean {
  const xfcc = request.headers['x-forwarded-client-cert'];
  if (xfcc === undefined) return true;
  return typeof xfcc === 'string' && /(?:^|;)URI=spiffe:\/\/[^/;,]+\/operator\/[^;,]+/.test(xfcc);
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > maxBodyBytes) throw new Error('the body is too long');
  }
  return body;
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
