import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { GatewayLink } from '#gen/sallyport/gateway/v1/gateway_pb.js';
import { silentLogger } from '#kernel/log/logger.ts';
import { createGrpcServer } from '#kernel/rpc/grpc-server.ts';
import { implement } from '#kernel/rpc/implement.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { gatewayConfig } from '#services/gateway/config.ts';
import { type RunningGateway, startGateway } from '#services/gateway/gateway.ts';
import type { BackendRequest } from '#services/proxy/backends.ts';
import { GatewayLinks } from '#services/proxy/gateway-links.ts';
import { Gateways } from '#services/proxy/gateways.ts';
import { WorkScope } from '#services/proxy/work-scope.ts';
import { type Board, startBoard } from '../gateway-world.ts';

/** A gateway and the part of a proxy that it dials, without their sidecars. */
describe('gateways that dial out', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'sp-links-'));
  const socketPath = join(folder, 'proxy');
  const links = new GatewayLinks(['gw-hr-0', 'gw-hr-1'], systemClock);
  const gateways = new Gateways({
    socketPath: join(folder, 'none'),
    connections: 100,
    clock: systemClock,
    links,
  });
  let caller = 'gw-hr-0';
  const server = createGrpcServer({
    services: [
      implement(GatewayLink, {
        // As a sidecar would say.
        serve: (requests, call) =>
          links.service.serve(requests, {
            ...{ header: call.header, deadlineMs: call.deadlineMs, requestId: call.requestId },
            ...{ signal: call.signal, remoteAddress: call.remoteAddress },
            caller: { role: 'gateway', pod: caller },
          } as typeof call),
      }),
    ],
    log: silentLogger,
  });
  let board: Board;
  let gateway: RunningGateway;
  const start = (): Promise<RunningGateway> =>
    startGateway(
      gatewayConfig.parse({
        ...{ pod: 'gw-hr-0', group: 'hr', sockets: { grpc: join(folder, 'grpc'), out: socketPath } },
        ...{ proxies: ['proxy-0'], idleLinks: 2, drainTimeout: 2000 },
        targets: [
          { name: 'board', kind: 'http', url: `http://127.0.0.1:${board.port}` },
          { name: 'nowhere', kind: 'http', url: 'http://127.0.0.1:1' },
        ],
      }),
      { clock: systemClock, log: silentLogger },
    );

  before(async () => {
    board = await startBoard();
    await server.listen(socketPath);
    gateway = await start();
  });
  after(async () => {
    await gateway?.close();
    await server.close({ graceMs: 1000 });
    gateways.close();
    await board?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = async (path: string, more: Partial<BackendRequest> = {}, name = 'gw-hr-0'): Promise<string> => {
    const got: Uint8Array[] = [];
    const request = {
      ...{ backend: 'board', method: 'POST', authority: 'board.example', path, headers: {}, body: undefined },
      ...{ scope: new WorkScope(), ...more },
    };
    await gateways.request(request, name, { head: () => {}, data: async (piece) => void got.push(piece) });
    return Buffer.concat(got).toString();
  };
  const fails = (reason: string, maybeExecuted: boolean) => (thrown: unknown) => {
    const { reason: is, metadata } = SallyportError.from(thrown);
    assert.deepEqual([is, metadata.maybeExecuted], [reason, String(maybeExecuted)]);
    return true;
  };

  it('take a call for each stream, and open the next', async () => {
    const body = Buffer.alloc(300_000, 'x');
    assert.equal((await ask('/echo', { body })).length, body.length);
    const many = await Promise.all(Array.from({ length: 30 }, () => ask('/')));
    assert.deepEqual([...new Set(many)], ['gw-hr-0']);
  });

  it('pass on what goes wrong, and calls that are given up', async () => {
    await assert.rejects(ask('/', { backend: 'nowhere' }), fails('BACKEND_UNAVAILABLE', false));
    assert.deepEqual(gateways.failed, []);
    const scope = new WorkScope();
    const held = ask('/held', { scope });
    await waitFor(() => board.held.length === 1, { timeoutMs: 20_000, what: 'the call to be there' });
    scope.giveUp(new SallyportError('CANCELLED'));
    await assert.rejects(held, { reason: 'CANCELLED' });
    await waitFor(() => gateway.active === 0, { timeoutMs: 20_000, what: 'it to be given up there, too' });
  });

  it('are away while they have no stream: nothing was asked', async () => {
    await assert.rejects(ask('/', {}, 'gw-hr-1'), fails('BACKEND_UNAVAILABLE', false));
    assert.deepEqual(gateways.failed, ['gw-hr-1']);
    // Nobody but those that the proxy knows to dial is listened to.
    assert.equal(links.dials('gw-hr-2'), false);
  });

  it('end what is under way when they leave, and are dialled by nobody after that', async () => {
    board.held.length = 0;
    const held = ask('/held');
    await waitFor(() => board.held.length === 1, { timeoutMs: 20_000, what: 'the call to be there' });
    gateway.leave();
    await assert.rejects(ask('/'), fails('BACKEND_UNAVAILABLE', false));
    const closing = gateway.close();
    board.held[0]?.();
    assert.equal(await held, 'gw-hr-0');
    await closing;
    gateway = await start();
    await waitFor(() => ask('/').catch(() => ''), { timeoutMs: 20_000, what: 'it to dial again' });
    caller = 'gw-crm-0';
    await gateway.close();
    gateway = await start();
    await assert.rejects(ask('/'), fails('BACKEND_UNAVAILABLE', false));
  });
});
