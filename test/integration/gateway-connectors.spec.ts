import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { after, before, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import {
  Gateway,
  type InvokeStartSchema,
  type InvokeStreamResponse,
  LdapChangeKind,
} from '#gen/sallyport/gateway/v1/gateway_pb.js';
import { silentLogger } from '#kernel/log/logger.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { gatewayConfig } from '#services/gateway/config.ts';
import { type RunningGateway, startGateway } from '#services/gateway/gateway.ts';
import { type GatewayAct, type GatewayCall, gatewayCalls } from '#services/tasks/connectors/gateway.ts';
import { type SlapdServer, startSlapd } from '../directory/slapd.ts';
import { type Board, startBoard } from '../gateway-world.ts';

type Start = MessageInitShape<typeof InvokeStartSchema>;

const ldif = `dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: example

${[0, 1, 2].map((n) => `dn: uid=u${n},dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: u${n}\ncn: U ${n}\nsn: U\n`).join('\n')}`;

/** Each against a real server, by the real service: a gateway without its sidecar. */
describe('connectors of gateways', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'sp-connect-'));
  let board: Board;
  let echo: Server;
  let slapd: SlapdServer;
  let gateway: RunningGateway;
  let client: GrpcClient<typeof Gateway>;
  const sockets = new Set<Socket>();

  before(async () => {
    board = await startBoard();
    echo = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
      socket.pipe(socket);
    });
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    slapd = await startSlapd({ ldif });
    const passwordFile = join(folder, 'password');
    writeFileSync(passwordFile, `${slapd.admin.password}\n`);
    writeFileSync(join(folder, 'ca.pem'), slapd.caPem);
    const { port } = echo.address() as AddressInfo;
    const command = (name: string, argv: string[], more = {}) => ({ name, kind: 'command', argv, ...more });
    const config = gatewayConfig.parse({
      ...{ pod: 'gw-hr-0', group: 'hr', sockets: { grpc: join(folder, 'grpc') } },
      targets: [
        {
          name: 'board',
          kind: 'http',
          url: `http://127.0.0.1:${board.port}`,
          limits: { maxRequest: '10MiB' },
        },
        { name: 'nowhere', kind: 'http', url: 'http://127.0.0.1:1' },
        {
          name: 'slow',
          kind: 'http',
          url: `http://127.0.0.1:${board.port}`,
          limits: { idle: '300ms', calls: 1 },
        },
        { name: 'echo', kind: 'tcp', host: '127.0.0.1', port },
        {
          ...{ name: 'directory', kind: 'ldap', url: slapd.ldaps, caFile: join(folder, 'ca.pem') },
          ...{
            bindDn: slapd.admin.dn,
            passwordFile,
            operations: ['search', 'compare', 'modify'],
            maxEntries: 3,
          },
        },
        { name: 'reading', kind: 'ldap', url: slapd.ldap },
        command('greet', ['/bin/echo', 'hello {whom}'], { parameters: { whom: '[a-z;$ ]+' } }),
        command('shell', ['/bin/sh', '-c', 'cat; echo oops >&2; exit 3']),
        command('sleep', ['/bin/sleep', '600'], { limits: { timeout: '300ms' } }),
        command('absent', ['/no/such/program']),
      ],
    });
    gateway = await startGateway(config, { clock: systemClock, log: silentLogger });
    client = createGrpcClient(Gateway, {
      address: `unix:${join(folder, 'grpc')}`,
      metadata: { 'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/worker/worker-0' },
      defaultDeadlineMs: 30_000,
    });
  });
  after(async () => {
    client?.close();
    await gateway?.close();
    for (const socket of sockets) socket.destroy();
    echo?.close();
    await Promise.all([board?.close(), slapd?.close()]);
    rmSync(folder, { recursive: true, force: true });
  });

  const http = (target: string, method: string, path: string): Start => ({
    target,
    kind: { case: 'http', value: { method, path, headers: [{ name: 'x-a', value: 'b' }] } },
  });
  const run = (target: string, parameters: Record<string, string> = {}): Start => ({
    target,
    kind: { case: 'command', value: { parameters } },
  });
  const invoke = (start: Start, body = '') => client.invoke({ start, body: Buffer.from(body) });
  const fails = (reason: string, maybeExecuted: boolean) => (thrown: unknown) => {
    const error = SallyportError.from(thrown);
    const { gateway, maybeExecuted: maybe } = error.metadata;
    assert.deepEqual(
      [error.reason, gateway, maybe],
      [reason, 'gw-hr-0', String(maybeExecuted)],
      error.message,
    );
    return true;
  };
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  const idle = () => waitFor(() => gateway.active === 0, { timeoutMs: 20_000, what: 'calls to be over' });

  it('HTTP: whole, streamed both ways at once, and given up', async () => {
    const whole = await invoke(http('board', 'POST', '/echo'), 'x'.repeat(100_000));
    assert.deepEqual([whole.head?.status, whole.head?.gateway, whole.body.length], [200, 'gw-hr-0', 100_000]);
    const call = client.invokeStream();
    await call.send({ kind: { case: 'start', value: http('board', 'POST', '/echo') } });
    const answers = call.responses[Symbol.asyncIterator]();
    const next = async (): Promise<InvokeStreamResponse['kind']> => (await answers.next()).value?.kind;
    // The answer begins while the request still goes on.
    for (const piece of ['one', 'two']) {
      await call.send({ kind: { case: 'data', value: Buffer.from(piece) } });
      let kind = await next();
      if (kind.case === 'head') kind = await next();
      assert.ok(kind.case === 'data');
      assert.equal(text(kind.value), piece);
    }
    call.cancel();
    await idle();
  });

  it('HTTP: says what may have happened', async () => {
    await assert.rejects(invoke(http('nowhere', 'GET', '/')), fails('BACKEND_UNAVAILABLE', false));
    await assert.rejects(invoke(http('slow', 'POST', '/held')), fails('DEADLINE', true));
    await assert.rejects(
      invoke({ target: 'other', kind: http('x', 'GET', '/').kind ?? assert.fail() }),
      fails('NOT_FOUND', false),
    );
    await assert.rejects(invoke(run('board')), fails('REQUEST_INVALID', false));
    const call = client.invokeStream();
    const sending = (async () => {
      await call.send({ kind: { case: 'start', value: http('board', 'POST', '/echo') } });
      for (let n = 0; n < 11; n++) await call.send({ kind: { case: 'data', value: randomBytes(2 ** 20) } });
    })();
    sending.catch(() => {});
    await assert.rejects(
      async () => {
        for await (const _ of call.responses);
      },
      fails('TOO_LARGE', true),
    );
  });

  it('HTTP: no more calls at once than are allowed', async () => {
    const first = invoke(http('slow', 'GET', '/held'));
    first.catch(() => {});
    await waitFor(() => gateway.active === 1, { timeoutMs: 20_000, what: 'the first to be under way' });
    await assert.rejects(invoke(http('slow', 'GET', '/')), fails('OVERLOADED', false));
    await assert.rejects(first, fails('DEADLINE', true));
  });

  it('TCP: bytes as they come, both ways, until the server ends', async () => {
    const start: Start = { target: 'echo', kind: { case: 'tcp', value: {} } };
    const body = randomBytes(900_000);
    const { body: back } = await client.invoke({ start, body });
    assert.ok(Buffer.from(back).equals(body));
  });

  it('LDAP: search, compare, modify, and what the directory refuses', async () => {
    const ldap = (target: string, operation: object): Start =>
      ({ target, kind: { case: 'ldap', value: { operation } } }) as Start;
    const search = {
      case: 'search',
      value: { base: slapd.base, filter: '(uid=*)', attributes: ['uid'], scope: 3 },
    };
    const found = await invoke(ldap('directory', search));
    const uids = found.entries.map(({ attributes }) => text(attributes[0]?.values[0] ?? new Uint8Array()));
    assert.deepEqual([uids.sort(), found.end?.truncated], [['u0', 'u1', 'u2'], false]);
    const all = await invoke(ldap('directory', { ...search, value: { base: slapd.base } }));
    assert.deepEqual([all.entries.length, all.end?.truncated], [3, true]);
    const dn = `uid=u0,${slapd.base}`;
    const attribute = { name: 'sn', values: [Buffer.from('Lovelace')] };
    const modify = { case: 'modify', value: { dn, changes: [{ kind: LdapChangeKind.REPLACE, attribute }] } };
    await invoke(ldap('directory', modify));
    const compare = { case: 'compare', value: { dn, attribute: 'sn', value: 'Lovelace' } };
    assert.equal((await invoke(ldap('directory', compare))).end?.matched, true);
    const absent = { ...modify, value: { ...modify.value, dn: `uid=nobody,${slapd.base}` } };
    await assert.rejects(invoke(ldap('directory', absent)), fails('TARGET_REFUSED', false));
    await assert.rejects(invoke(ldap('reading', modify)), fails('TARGET_REFUSED', false));
  });

  it('command: its outputs and exit code, what it reads, and parameters that a shell would see', async () => {
    const greeted = await invoke(run('greet', { whom: '$; x' }));
    assert.deepEqual([text(greeted.body), greeted.end?.exitCode], ['hello $; x\n', 0]);
    const { body, errorBody, end } = await invoke(run('shell'), 'read me');
    assert.deepEqual([text(body), text(errorBody), end?.exitCode], ['read me', 'oops\n', 3]);
    await assert.rejects(invoke(run('greet', { whom: '--help' })), fails('REQUEST_INVALID', false));
    await assert.rejects(invoke(run('greet', { whom: 'a', x: 'b' })), fails('REQUEST_INVALID', false));
    await assert.rejects(invoke(run('absent')), fails('BACKEND_UNAVAILABLE', false));
    await assert.rejects(invoke(run('sleep')), fails('DEADLINE', true));
    await idle();
  });

  it('do what steps of tasks ask for, through whichever gateway of the group lives', async () => {
    const caller = { 'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/worker/worker-0' };
    const out = (file: string) => ({
      address: `unix:${join(folder, file)}`,
      metadata: caller,
      defaultDeadlineMs: 20_000,
    });
    const calls = gatewayCalls({
      out: out('grpc'),
      gatewaysOf: (group) => (group === 'hr' ? ['gw-hr-0'] : []),
    });
    const none = gatewayCalls({
      out: { ...out('nobody'), defaultDeadlineMs: 300 },
      gatewaysOf: () => ['gw-hr-0', 'gw-hr-1'],
    });
    const run = { taskId: 'task-1', token: 'token-1', attempt: 1, signal: new AbortController().signal };
    const act = (target: string, what: GatewayAct, more: Partial<GatewayCall> = {}) =>
      calls.act({ group: 'hr', target, act: what, ...more }, run);
    const post = { http: { method: 'POST', path: '/echo' } };
    try {
      const posted = await act('board', post, { input: 'hello', repeatable: 'key' });
      assert.deepEqual([posted.status, posted.output, posted.gateway], [200, 'hello', 'gw-hr-0']);
      const ran = await act('shell', { command: {} }, { input: 'in' });
      assert.deepEqual([ran.output, ran.errorOutput, ran.exitCode], ['in', 'oops\n', 3]);
      assert.equal((await act('echo', { tcp: true }, { input: 'ping' })).output, 'ping');
      const dn = `uid=u1,${slapd.base}`;
      await act('directory', { replace: { dn, attribute: 'sn', values: ['Hopper'] } });
      const { entries } = await act('directory', { search: { base: dn, attributes: ['sn'] } });
      assert.deepEqual(entries, [{ dn, attributes: { sn: ['Hopper'] } }]);
      assert.equal((await act('directory', { compare: { dn, attribute: 'sn', value: 'x' } })).matched, false);
      const reason = (wanted: string) => (error: unknown) => SallyportError.from(error).reason === wanted;
      await assert.rejects(act('nowhere', post), reason('TARGET_UNREACHABLE'));
      await assert.rejects(act('slow', { http: { method: 'POST', path: '/held' } }), reason('TARGET_SILENT'));
      await assert.rejects(act('other', post), reason('TARGET_UNKNOWN'));
      await assert.rejects(
        calls.act({ group: 'crm', target: 'x', act: post }, run),
        reason('TARGET_UNREACHABLE'),
      );
      // Nobody tells whether it was done: what may not be done twice is not tried at the next one.
      const lost = { group: 'hr', target: 'board', act: post };
      await assert.rejects(none.act(lost, run), reason('TARGET_SILENT'));
      assert.deepEqual(
        [post, { command: {} }, { http: { method: 'PUT', path: '/' } }, { search: { base: '' } }].map(
          (each) => calls.deduplicates({ ...lost, act: each }),
        ),
        ['once', 'once', 'idempotent', 'idempotent'],
      );
    } finally {
      await Promise.all([calls.close(), none.close()]);
    }
  });

  it('are for workers and security pods; for a proxy HTTP only; and not once the gateway leaves', async () => {
    const as = async (role: string, start: Start): Promise<unknown> => {
      const caller = { 'x-forwarded-client-cert': `URI=spiffe://sallyport.internal/${role}/x-0` };
      const call = client.invokeStream({ headers: caller });
      await call.send({ kind: { case: 'start', value: start } });
      await call.send({ kind: { case: 'noMore', value: {} } });
      for await (const { kind } of call.responses) return kind.case;
      return undefined;
    };
    assert.equal(await as('proxy', http('board', 'GET', '/')), 'head');
    await assert.rejects(as('proxy', run('greet', { whom: 'a' })), fails('CALLER_NOT_ALLOWED', false));
    await assert.rejects(as('service', http('board', 'GET', '/')), fails('CALLER_NOT_ALLOWED', false));
    gateway.leave();
    await assert.rejects(invoke(http('board', 'GET', '/')), fails('UNAVAILABLE', false));
  });
});
