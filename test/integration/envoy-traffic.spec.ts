import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { createClient } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { after, before, describe, it } from 'mocha';
import { podNamed, portOf } from '#compose/topology/query.ts';
import { fromConnectError } from '#core/errors/from-wire.ts';
import { podHeader } from '#envoy/model/headers.ts';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { Relay } from '#gen/sallyport/relay/v1/relay_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createConnectClient } from '#kernel/rpc/connect-client.ts';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type FakeMesh, type Seen, startFakeMesh } from '#test/fake-mesh.ts';
import { Probe } from '#test/grpc-probe.ts';

const keyStore = '/sallyport.keystore.v1.KeyStore';
const sessions = '/sallyport.session.v1.SessionService';
const relay = '/sallyport.relay.v1.Relay';
const denied = '7';

describe('calls through real sidecars', function () {
  this.timeout(60_000);
  let mesh: FakeMesh;
  const probes: Probe[] = [];
  const keep = (probe: Probe) => {
    probes.push(probe);
    return probe;
  };

  before(async () => {
    mesh = await startFakeMesh(
      { security: 2, proxies: 2, edges: 1, db: 3, backends: ['intranet'] },
      'edge: {cors_origins: ["https://console.example"]}',
    );
  });
  after(async () => {
    for (const probe of probes) probe.close();
    await mesh?.close();
  });

  const edge = () => {
    const pod = podNamed(mesh.topology, 'edge-0');
    const ca = readFileSync(join(mesh.topology.stateDir, 'pki', 'public-ca.crt'));
    return keep(
      Probe.overTls(`https://${pod.address}:${portOf(pod, 'public')}`, { ca, minVersion: 'TLSv1.3' }),
    );
  };

  it('reach the right socket, and the server learns who calls', async () => {
    const out = keep(Probe.overSocket(mesh.socket('proxy-0', 'out')));
    const hot = await out.call(`${keyStore}/LeaseSessionKey`, {
      'x-forwarded-client-cert': 'URI=spiffe://forged',
    });
    assert.equal(hot.seen?.socket, 'grpc');
    const xfcc = String(hot.seen?.headers['x-forwarded-client-cert']);
    assert.match(xfcc, /URI=spiffe:\/\/sallyport\.internal\/proxy\/proxy-0$/);
    assert.doesNotMatch(xfcc, /forged/);
    assert.equal((await out.call(`${keyStore}/GetJwks`)).seen?.socket, 'connect');
    for (const pod of ['sec-0', 'sec-1'])
      assert.equal((await out.call(`${keyStore}/GetJwks`, { 'x-sallyport-pod': pod })).seen?.pod, pod);
    assert.equal((await out.call(`${keyStore}/GetJwks`, { 'x-sallyport-pod': 'sec-9' })).grpcStatus, '14');
  });

  it('are refused by role and method', async () => {
    const out = keep(Probe.overSocket(mesh.socket('proxy-0', 'out')));
    assert.equal((await out.call(`${sessions}/RevokeSessions`)).grpcStatus, denied);
    assert.equal((await out.call('/sallyport.peer.v1.PeerService/HandOver')).grpcStatus, denied);
    const peer = keep(Probe.overSocket(mesh.socket('sec-0', 'out')));
    const handOver = await peer.call('/sallyport.peer.v1.PeerService/HandOver', {
      'x-sallyport-pod': 'sec-1',
    });
    assert.equal(handOver.seen?.pod, 'sec-1');
    assert.equal((await peer.call(`${keyStore}/LeaseSessionKey`)).grpcStatus, denied);
  });

  it('of an operator reach a security pod directly, by certificate', async () => {
    const { dir } = await mesh.pki.ensureOperator('root');
    const file = (name: string) => readFileSync(join(dir, 'current', name));
    const pod = podNamed(mesh.topology, 'sec-0');
    const operator = keep(
      Probe.overTls(`https://${pod.address}:${portOf(pod, 'mesh')}`, {
        ca: file('ca.crt'),
        cert: file('tls.crt'),
        key: file('tls.key'),
      }),
    );
    assert.equal((await operator.call(`${sessions}/ListSessions`)).seen?.socket, 'connect');
    assert.equal((await operator.call(`${keyStore}/LeaseSessionKey`)).grpcStatus, denied);
  });

  it('of phones reach what is listed, without inner headers, and nothing else', async () => {
    const phone = edge();
    const forged = {
      'x-sallyport-pod': 'sec-1',
      'x-sallyport-client-address': '10.0.0.1',
      'x-sallyport-came': '1',
      'x-envoy-retry-on': '5xx',
      // Obeyed, it would end the call at once, from whichever address it comes.
      'x-envoy-upstream-rq-timeout-ms': '1',
      'x-envoy-upstream-rq-per-try-timeout-ms': '1',
    };
    const open = await phone.call(`${sessions}/OpenSession`, { ...forged, 'x-sallyport-route': 'r1' });
    assert.equal(open.grpcStatus, '0');
    assert.equal(open.seen?.headers['x-sallyport-pod'], undefined);
    assert.equal(open.seen?.headers['x-sallyport-client-address'], '127.0.0.1');
    const cameMs = Number(open.seen?.headers['x-sallyport-came']) * 1000;
    assert.ok(Math.abs(Date.now() - cameMs) < 60_000, 'when the call came to the sidecar');
    assert.equal(open.seen?.headers['x-envoy-retry-on'], undefined);
    assert.match(String(open.headers['alt-svc']), /^h3=/);
    assert.equal(open.headers.server, undefined);
    const first = await phone.call(`${relay}/Exchange`, { 'x-sallyport-route': 'r1' });
    assert.match(first.seen?.pod ?? '', /^proxy-/);
    for (const path of [
      `${sessions}/ListSessions`,
      `${keyStore}/LeaseSessionKey`,
      '/grpc.health.v1.Health/Check',
      '/',
    ])
      assert.equal((await phone.call(path)).grpcStatus, '12', path);
    const web = await phone.call(`${sessions}/ListSessions`, { 'content-type': 'application/json' });
    assert.equal(web.status, 404);
    assert.equal((JSON.parse(web.body) as { code: string }).code, 'unimplemented');
    await assert.rejects(phone.call(`${relay}/Exchange`, { bad_name: 'x' }), {
      code: 'ERR_HTTP2_STREAM_ERROR',
    });
  });

  it('of a Connect client are translated for the relay and left alone for sessions', async () => {
    const phone = edge();
    const proto = { 'content-type': 'application/proto', 'connect-protocol-version': '1' };
    const bridged = await phone.call(`${relay}/Attach`, proto);
    assert.match(String(bridged.seen?.headers['content-type']), /^application\/grpc/);
    const web = await phone.call(`${relay}/Attach`, { 'content-type': 'application/grpc-web+proto' });
    assert.match(String(web.seen?.headers['content-type']), /^application\/grpc(\+proto)?$/);
    const plain = await phone.call(`${sessions}/GetSession`, proto);
    assert.equal(plain.seen?.headers['content-type'], 'application/proto');
    const cors = await phone.call(`${sessions}/GetSession`, { ...proto, origin: 'https://console.example' });
    assert.equal(cors.headers['access-control-allow-origin'], 'https://console.example');
  });

  it('to a backend carry the host that it is to see', async () => {
    const seen = await http(mesh.socket('proxy-1', 'backends'), '/page', {
      host: 'intranet',
      'x-sallyport-authority': 'wiki.corp.example',
    });
    assert.equal(seen.seen?.pod, 'intranet-0');
    assert.equal(seen.seen?.headers.host, 'wiki.corp.example');
    assert.equal(seen.seen?.headers['x-sallyport-authority'], undefined);
    assert.equal((await http(mesh.socket('proxy-1', 'backends'), '/', { host: 'nowhere' })).status, 404);
  });

  it('between db-agents name the pod', async () => {
    const { seen } = await http(mesh.socket('db-0', 'out'), '/status', { host: 'db-2.agent' });
    assert.equal(seen?.pod, 'db-2');
  });

  it('to MySQL follow the primary, and reads prefer a secondary', async () => {
    const greeting = (name: 'db-rw' | 'db-ro') => greet(mesh.socket('sec-0', name));
    const is = (name: 'db-rw' | 'db-ro', pod: string) =>
      waitFor(async () => (await greeting(name)).text === pod, {
        timeoutMs: 10_000,
        everyMs: 50,
        what: `${name} to lead to ${pod}`,
      });
    await is('db-rw', 'db-0');
    const reads = await Promise.all(Array.from({ length: 20 }, () => greeting('db-ro')));
    assert.deepEqual(new Set(reads.map((r) => r.text)), new Set(['db-1', 'db-2']));

    const held = await greet(mesh.socket('sec-0', 'db-rw'), true);
    const cut = new Promise((resolve) => held.socket.once('close', resolve));
    set('db-0', 'down');
    await cut;
    assert.equal((await greeting('db-rw')).text, '', 'without a primary nobody is connected');
    set('db-1', 'primary');
    await is('db-rw', 'db-1');
    set('db-2', 'down');
    await is('db-ro', 'db-1');
  });

  it('that nobody answers are UNAVAILABLE and say when to come back, in every protocol', async () => {
    const pod = podNamed(mesh.topology, 'edge-0');
    const baseUrl = `https://${pod.address}:${portOf(pod, 'public')}`;
    const nodeOptions = { ca: readFileSync(join(mesh.topology.stateDir, 'pki', 'public-ca.crt')) };
    const options = { baseUrl, httpVersion: '2', nodeOptions, idleConnectionTimeoutMs: 1000 } as const;
    const out = { address: `unix:${mesh.socket('proxy-0', 'out')}`, defaultDeadlineMs: 30_000 };
    const hot = createGrpcClient(KeyStore, out);
    const ways: [string, () => Promise<unknown>][] = [
      ['grpc-js to the owner', () => hot.leaseSessionKey({})],
      ['grpc-js to one pod', () => hot.leaseSessionKey({}, { headers: { [podHeader]: 'sec-1' } })],
      ['grpc-js to no pod', () => hot.leaseSessionKey({}, { headers: { [podHeader]: 'sec-9' } })],
      ['Connect inside', () => createConnectClient(KeyStore, out).getJwks({})],
    ];
    for (const [name, transport] of [
      ['Connect', createConnectTransport({ ...options, useBinaryFormat: true })],
      ['Connect in JSON', createConnectTransport({ ...options, useBinaryFormat: false })],
      ['gRPC', createGrpcTransport(options)],
      ['gRPC-Web', createGrpcWebTransport(options)],
    ] as const) {
      ways.push([`${name} to the tier`, () => createClient(SessionService, transport).getSession({})]);
      ways.push([`${name} to a proxy`, () => createClient(Relay, transport).attach({})]);
    }
    const serving = mesh.topology.pods.filter(({ role }) => role === 'security' || role === 'proxy');
    const ask = async (when: string) => {
      for (const [what, call] of ways)
        await assert.rejects(call, (thrown) => {
          const { status, retryAfterMs, message } = fromConnectError(thrown);
          assert.deepEqual([status, retryAfterMs], ['UNAVAILABLE', 100], `${what}, ${when}: ${message}`);
          return true;
        });
    };
    await Promise.all(serving.map(({ name }) => mesh.stopProcess(name)));
    await ask('without processes');
    // Of proxy-0 the way out is asked.
    await Promise.all(serving.map(({ name }) => name === 'proxy-0' || mesh.envoys.get(name)?.stop()));
    await ask('without sidecars');
    hot.close();
  });

  function set(pod: string, role: 'primary' | 'secondary' | 'down'): void {
    const db = mesh.db.get(pod);
    if (db) db.role = role;
  }
});

function http(socketPath: string, path: string, headers: Record<string, string>) {
  return new Promise<{ status: number; seen: Seen | undefined }>((resolve, reject) => {
    get({ socketPath, path, headers, agent: false, timeout: 10_000 }, (response: IncomingMessage) => {
      response.resume();
      const seen = response.headers['x-seen'];
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          seen: typeof seen === 'string' ? (JSON.parse(seen) as Seen) : undefined,
        }),
      );
    }).on('error', reject);
  });
}

/** The pod whose mysqld greeted; empty if the connection was closed without a word. */
function greet(path: string, hold = false): Promise<{ text: string; socket: Socket }> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const done = (text: string) => {
      if (!hold) socket.destroy();
      resolve({ text, socket });
    };
    socket.once('data', (data) => done(data.toString().trim()));
    socket.once('close', () => done(''));
    socket.on('error', () => socket.destroy());
  });
}
