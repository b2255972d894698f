import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { socketPath } from '#compose/topology/paths.ts';
import { podNamed, portOf } from '#compose/topology/query.ts';
import { SallyportError } from '#core/errors/error.ts';
import { Gateway } from '#gen/sallyport/gateway/v1/gateway_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { Session } from '#sdk/session.ts';
import { operatorTls } from '#services/cli/operator.ts';
import { runCli } from '#services/cli/run-cli.ts';
import { testContext } from '#services/cli/test-context.ts';
import { type Board, boardOrigin, openBoard, startBoard, writeGateways } from '../gateway-world.ts';
import { meshStartMs, type OwnMesh, ownMesh } from '../mesh.ts';
import { enrolDevice, type TestDevice } from '../mesh-device.ts';

const hasReason = (reason: string) => (error: unknown) => SallyportError.from(error).reason === reason;

describe('gateways', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'sp-gateways-'));
  let board: Board;
  let own: OwnMesh;
  let phone: TestDevice;
  let sessions: Session[];

  before(async function () {
    this.timeout(meshStartMs);
    board = await startBoard();
    own = await ownMesh({
      gatewaysFile: writeGateways(folder, board, 3),
      sizes: { security: 1, proxies: 1, edges: 1, db: 1 },
    });
    await openBoard(own);
    phone = await enrolDevice(own);
    const credentials = { ...phone.credentials, origin: boardOrigin };
    sessions = [];
    for (let n = 0; n < 3; n++) sessions.push(await phone.device.open(credentials));
    // Until the proxy has the policy.
    await waitFor(() => gatewayOf(session(0)).catch(() => ''), {
      timeoutMs: 30_000,
      what: 'the board to be open',
    });
  });
  after(async () => {
    phone?.device.close();
    await own?.close();
    await board?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const session = (n: number): Session => sessions[n] ?? assert.fail();
  const gatewayOf = async (of: Session): Promise<string> =>
    (await of.fetch('/')).headers.get('x-gateway') ?? '';

  /** What `sallyport doctor` says of processes that hang or crash. */
  const troubles = async (): Promise<string[]> => {
    const { context, written } = testContext({ env: { SALLYPORT_STATE: own.stateDir } });
    await runCli(['doctor', '--json'], context);
    const { items } = JSON.parse(written.out.trimEnd().split('\n').at(-1) ?? '') as {
      readonly items: readonly { readonly name: string; readonly says: string }[];
    };
    return items.find(({ name }) => name === 'processes that hang or crash')?.says.split('; ') ?? [];
  };

  it('are given to sessions round robin, and kept', async () => {
    const first = await Promise.all(sessions.map(gatewayOf));
    assert.deepEqual([...first].sort(), ['gw-hr-0', 'gw-hr-1', 'gw-hr-2']);
    for (let n = 0; n < 3; n++) assert.deepEqual(await Promise.all(sessions.map(gatewayOf)), first);
  });

  it('carry bodies of any length both ways, and show the target its own host', async () => {
    const body = randomBytes(5 * 2 ** 20);
    const response = await session(0).fetch('/echo', { method: 'POST', body });
    assert.ok(Buffer.from(await response.bytes()).equals(body));
    assert.equal(response.headers.get('x-host'), 'board.example');
  });

  it('that die are left by their sessions, which do not come back', async () => {
    const before = await Promise.all(sessions.map(gatewayOf));
    const dead = before[0] ?? '';
    const posts = board.seen.length;
    const unrepeatable = session(0).fetch('/held', { method: 'POST', body: 'once' });
    unrepeatable.catch(() => {});
    const repeatable = session(0).fetch('/held', { method: 'PUT', body: 'again' });
    await waitFor(() => board.held.length === 2, { timeoutMs: 30_000, what: 'both to be under way' });
    own.kill(dead, 'process', 'SIGKILL');
    await assert.rejects(unrepeatable, hasReason('UNKNOWN_OUTCOME'));
    await waitFor(() => board.held.length === 3, { timeoutMs: 30_000, what: 'one to be repeated' });
    for (const go of board.held) go();
    const moved = (await repeatable).headers.get('x-gateway');
    assert.notEqual(moved, dead);
    assert.equal(board.seen.slice(posts).filter((each) => each.startsWith('POST')).length, 1);
    const after = [moved, ...before.slice(1)];
    assert.deepEqual(await Promise.all(sessions.map(gatewayOf)), after);
    await own.waitUp();
    assert.deepEqual(await Promise.all(sessions.map(gatewayOf)), after);
  });

  it('that hang are left, killed and started again; the others stay, also when the owner is another process', async () => {
    const before = await Promise.all(sessions.map(gatewayOf));
    const [, hung = ''] = before;
    own.kill(hung, 'process', 'SIGSTOP');
    const moved = await gatewayOf(session(1));
    assert.notEqual(moved, hung);
    const looks = waitFor(
      async () => (await troubles()).some((line) => line.startsWith(`${hung} process hangs`)),
      {
        timeoutMs: 60_000,
        what: '`sallyport doctor` to tell',
      },
    );
    own.kill('sec-0', 'process', 'SIGKILL');
    const after = before.map((each) => (each === hung ? moved : each));
    // Longer than a lease goes on without being renewed: the new owner has been asked.
    const leases = systemClock.sleep(7000);
    await waitFor(() => own.told.some((line) => line.startsWith(`${hung} process hangs`)), {
      timeoutMs: 60_000,
      what: 'it to be found',
    });
    await Promise.all([looks, own.waitUp(), leases]);
    assert.ok((await troubles()).some((line) => line.startsWith(`${hung} process ended (SIGKILL)`)));
    assert.deepEqual(await Promise.all(sessions.map(gatewayOf)), after);
  });

  it('serve nobody but proxies, security pods and workers, and proxies nothing but HTTP', async () => {
    const { address, ...pod } = podNamed(own.topology, 'gw-hr-1');
    const start = {
      target: 'greet',
      kind: { case: 'command' as const, value: { parameters: { whom: 'anna' } } },
    };
    const asOperator = createGrpcClient(Gateway, {
      address: `${address}:${portOf({ address, ...pod }, 'mesh')}`,
      tls: { ...(await operatorTls(own.stateDir)), serverRole: 'gateway' },
      defaultDeadlineMs: 10_000,
    });
    const asProxy = createGrpcClient(Gateway, {
      address: `unix:${socketPath(own.topology, 'proxy-0', 'out')}`,
      metadata: { 'x-sallyport-pod': 'gw-hr-1' },
      defaultDeadlineMs: 10_000,
    });
    const asSecurity = createGrpcClient(Gateway, {
      address: `unix:${socketPath(own.topology, 'sec-0', 'out')}`,
      metadata: { 'x-sallyport-pod': 'gw-hr-1' },
      defaultDeadlineMs: 10_000,
    });
    try {
      await assert.rejects(asOperator.invoke({ start }), hasReason('CALLER_NOT_ALLOWED'));
      await assert.rejects(asProxy.invoke({ start }), hasReason('CALLER_NOT_ALLOWED'));
      assert.equal(Buffer.from((await asSecurity.invoke({ start })).body).toString(), 'hello anna\n');
    } finally {
      for (const client of [asOperator, asProxy, asSecurity]) client.close();
    }
  });

  it('that dial out are called by their own streams, and by others once they are started again', async () => {
    const far = 'https://far.example';
    const body = randomBytes(2 * 2 ** 20);
    const echoed = await session(0).fetch(`${far}/echo`, { method: 'POST', body });
    assert.ok(Buffer.from(await echoed.bytes()).equals(body));
    // More at once than streams that wait.
    const many = await Promise.all(Array.from({ length: 40 }, () => session(0).fetch(`${far}/`)));
    assert.deepEqual([...new Set(many.map(({ headers }) => headers.get('x-gateway')))], ['gw-far-0']);
    own.kill('gw-far-0', 'process', 'SIGKILL');
    assert.equal((await session(0).fetch(`${far}/`)).headers.get('x-gateway'), 'gw-far-0');
    await own.waitUp();
  });

  it('come, go and are drained without a failed call; sessions stay but for those of who goes', async () => {
    const far = 'https://far.example';
    const failures: string[] = [];
    let stopped = false;
    let asked = 0;
    // Sent twice they would count: what cannot be repeated, in pieces that cannot be had again.
    const work = async (of: Session, url: string): Promise<void> => {
      for (; !stopped; asked++) {
        const post = { method: 'POST', body: randomBytes(100_000) };
        try {
          await (await of.fetch(`${url}/echo`, post)).bytes();
        } catch (error) {
          failures.push(`${url} ${SallyportError.from(error).reason}: ${String(error)}`);
        }
      }
    };
    const load = [...sessions.map((each) => work(each, boardOrigin)), work(session(0), far)];
    const where = (): Promise<string[]> => Promise.all(sessions.map(gatewayOf));
    const credentials = { ...phone.credentials, origin: boardOrigin };
    const fresh: Session[] = [];
    try {
      const before = await where();
      assert.deepEqual(await own.scale('gw-hr', 4), { added: ['gw-hr-3'], removed: [] });
      assert.deepEqual(await where(), before);
      for (let n = 0; n < 4; n++) fresh.push(await phone.device.open(credentials));
      assert.equal(new Set(await Promise.all(fresh.map(gatewayOf))).size, 4);
      const [first = ''] = before;
      await own.drain(first);
      assert.ok(!(await where()).includes(first));
      await own.undrain(first);
      const moved = await where();
      assert.deepEqual((await own.scale('gw-hr', 3)).removed, ['gw-hr-3']);
      const stay = moved.map((each, n) => [n, each] as const).filter(([, each]) => each !== 'gw-hr-3');
      const now = await where();
      assert.deepEqual(
        stay.map(([n]) => now[n]),
        stay.map(([, each]) => each),
      );
      assert.ok(!(await Promise.all(fresh.map(gatewayOf))).includes('gw-hr-3'));
      await own.scale('gw-far', 2);
      await own.scale('gw-far', 1);
      assert.equal((await session(0).fetch(`${far}/`)).headers.get('x-gateway'), 'gw-far-0');
    } finally {
      stopped = true;
      await Promise.all(load);
    }
    assert.deepEqual(failures, []);
    assert.ok(asked > 20, `${asked} requests`);
  });

  it('are named by a policy as the mesh has them, or it is refused', async () => {
    await assert.rejects(openBoard(own, { gatewayGroup: 'crm' }), hasReason('POLICY_INVALID'));
    await assert.rejects(openBoard(own, { backend: 'greet' }), hasReason('POLICY_INVALID'));
  });
});
