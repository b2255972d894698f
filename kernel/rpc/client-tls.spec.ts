import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { createServer, type Server } from 'node:tls';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { Health } from '#gen/grpc/health/v1/health_pb.js';
import { createCa, issue, type KeyedCert } from '#kernel/pki/authority.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { CallerRole } from './caller.ts';
import { createGrpcClient } from './grpc-client.ts';
import { createGrpcServer } from './grpc-server.ts';
import { HealthState } from './health.ts';
import { keepLog } from './test-service.ts';

describe('client TLS', () => {
  let folder: string;
  let ca: KeyedCert;
  const closers: (() => unknown)[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rpc-'));
    ca = await createCa({ name: 'mesh', days: 1 }, systemClock);
    const server = createGrpcServer({ services: [], health: new HealthState(), log: keepLog() });
    await server.listen(join(folder, 'grpc.sock'));
    closers.push(() => server.close({ graceMs: 0 }));
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await rm(folder, { recursive: true });
  });

  const identity = (role: CallerRole, pod: string, signer = ca) =>
    issue(signer, { spiffe: `spiffe://sallyport.internal/${role}/${pod}`, hours: 1 }, systemClock);

  /** What a sidecar's ingress does: mutual TLS outside, plain inside. */
  const sidecar = async ({ cert, key }: KeyedCert): Promise<string> => {
    const path = join(folder, 'tls.sock');
    const options = {
      cert,
      key,
      ca: ca.cert,
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ['h2'],
    };
    const server: Server = createServer(options, (outside) => {
      const inside = connect(join(folder, 'grpc.sock'));
      // Either side ends when the other does; how it ended is what the client is asked about.
      pipeline(outside, inside, () => inside.destroy());
      pipeline(inside, outside, () => outside.destroy());
    });
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    return path;
  };
  const check = async (path: string, own: KeyedCert, serverRole: CallerRole) => {
    const tls = {
      cert: Buffer.from(own.cert),
      key: Buffer.from(own.key),
      ca: Buffer.from(ca.cert),
      serverRole,
    };
    const client = createGrpcClient(Health, { address: `unix:${path}`, defaultDeadlineMs: 5000, tls });
    try {
      return await client.check({});
    } finally {
      client.close();
    }
  };

  it('reaches a server of the role that it expects, and no other', async () => {
    const path = await sidecar(await identity('security', 'sec-0'));
    const operator = await identity('operator', 'admin');
    assert.equal((await check(path, operator, 'security')).$typeName, 'grpc.health.v1.HealthCheckResponse');
    await assert.rejects(check(path, operator, 'proxy'), {
      reason: 'UNAVAILABLE',
      message: /not of role proxy/,
    });
  });

  it('refuses a server, and is refused by one, that its mesh has not signed', async () => {
    const stranger = await createCa({ name: 'stranger', days: 1 }, systemClock);
    const operator = await identity('operator', 'admin');
    const path = await sidecar(await identity('security', 'sec-0'));
    await assert.rejects(check(path, await identity('operator', 'admin', stranger), 'security'), {
      reason: 'UNAVAILABLE',
    });
    await rm(path, { force: true });
    const impostor = await sidecar(await identity('security', 'sec-0', stranger));
    await assert.rejects(check(impostor, operator, 'security'), { reason: 'UNAVAILABLE' });
  });
});
