import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import { livingProcesses, type NamedProcess } from '#compose/runner/orphans.ts';
import { readRunState } from '#compose/runner/run-file.ts';
import { SallyportError } from '#core/errors/error.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { Session } from '#sdk/session.ts';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { type CliRunner, cli, cliRunner } from '../cli-runner.ts';
import { ownMesh } from '../mesh.ts';
import { enrolDevice, type TestDevice } from '../mesh-device.ts';
import { alive, killAll, processesAbout, removeState, stateOf, temporaryState } from '../mesh-state.ts';

const small = { security: 1, proxies: 1, edges: 1, db: 1, workers: 0 };
const sizes = (s: Readonly<Record<string, number>>): string[] =>
  Object.entries(s).flatMap(([tier, count]) => [`--${tier}`, String(count)]);

const portsOn = (stateDir: string): number[] =>
  stateOf(stateDir)
    .pods.flatMap((pod) => Object.values(pod.ports))
    .sort();

describe('a mesh that a command runs', function () {
  this.timeout(170_000);
  let stateDir: string;
  const start = (): CliRunner => cliRunner(stateDir, ...sizes({ ...small, db: 3 }));
  let runner: CliRunner;
  let phone: TestDevice;
  let session: Session;

  before(async () => {
    stateDir = temporaryState();
    runner = start();
    await runner.up();
    phone = await enrolDevice(runningMesh(stateDir));
    session = await phone.device.open(phone.credentials);
    assert.equal((await session.fetch('/news')).status, 200);
  });

  after(() => {
    phone?.device.close();
    killAll(stateDir);
    removeState(stateDir);
  });

  it('refuses a second start on its folder, and is not disturbed by it', async () => {
    const processes = livingProcesses(stateOf(stateDir));
    await assert.rejects(
      ownMesh({ stateDir }),
      (error) => SallyportError.from(error).reason === 'MESH_RUNNING',
    );
    const { code, said } = await cli('up', '--state', stateDir);
    assert.equal(code, 1);
    assert.match(said, /^error MESH_RUNNING: .*\nhint: ./m);
    assert.equal(stateOf(stateDir).runner.pid, runner.pid);
    assert.equal(alive(processes).length, processes.length);
    assert.equal((await session.fetch('/news')).status, 200);
  });

  it('lives beside another mesh', async () => {
    const processes = livingProcesses(stateOf(stateDir));
    const other = await ownMesh({ sizes: small });
    try {
      const ports = [...portsOn(stateDir), ...portsOn(other.stateDir)];
      assert.equal(new Set(ports).size, ports.length);
      const its = await enrolDevice(other);
      const open = await its.device.open(its.credentials);
      assert.equal((await open.fetch('/news')).status, 200);
      assert.equal((await session.fetch('/news')).status, 200);
      await open.close();
      its.device.close();
    } finally {
      await other.close();
      assert.deepEqual(processesAbout(other.stateDir), []);
    }
    assert.equal(alive(processes).length, processes.length);
    assert.equal((await session.fetch('/news')).status, 200);
  });

  it('finds its data, and clears what is left, after its runner was killed', async () => {
    const before = livingProcesses(stateOf(stateDir));
    const ports = portsOn(stateDir);
    runner.signal('SIGKILL');
    assert.equal(await runner.ended, 'SIGKILL');
    assert.ok(
      alive(before).some((name) => name.endsWith(' mysqld')),
      'what a killed runner leaves behind',
    );
    runner = start();
    await runner.up();
    assert.deepEqual(alive(before), []);
    assert.deepEqual(portsOn(stateDir), ports);
    // The session was opened before, and the phone was not told anything.
    assert.equal((await session.fetch('/news')).status, 200);
    const again = await phone.device.open(phone.credentials);
    assert.equal((await again.fetch('/news')).status, 200);
    await again.close();
  });

  it('clears what a killed runner has left when it is only told to go down', async () => {
    const processes = livingProcesses(stateOf(stateDir));
    runner.signal('SIGKILL');
    await runner.ended;
    const { code, said } = await cli('down', '--state', stateDir, '--json');
    assert.equal(code, 0, said);
    assert.deepEqual([...alive(processes), ...processesAbout(stateDir)], []);
    assert.equal(stateOf(stateDir).state, 'stopped');
  });

  it('goes down when it is told to, and leaves no process', async () => {
    runner = start();
    await runner.up();
    assert.equal((await session.fetch('/news')).status, 200);
    const processes = livingProcesses(stateOf(stateDir));
    const { code, said } = await cli('down', '--state', stateDir, '--json');
    assert.equal(code, 0, said);
    assert.equal(await runner.ended, 0, runner.said());
    assert.deepEqual([...alive(processes), ...processesAbout(stateDir)], []);
    const again = await cli('down', '--state', stateDir, '--json');
    assert.equal(again.code, 0, again.said);
  });
});

describe('a mesh that is interrupted', function () {
  this.timeout(170_000);
  let stateDir: string;

  const start = (): CliRunner => {
    stateDir = temporaryState();
    return cliRunner(stateDir, ...sizes(small));
  };
  const nothingLeft = (processes: readonly NamedProcess[]): void =>
    assert.deepEqual([...alive(processes), ...processesAbout(stateDir)], []);

  afterEach(() => {
    killAll(stateDir);
    removeState(stateDir);
  });

  it('stops in order at the first Ctrl-C', async () => {
    const runner = start();
    await runner.up();
    const processes = livingProcesses(stateOf(stateDir));
    assert.ok(processes.length >= 10);
    runner.signal('SIGINT');
    assert.equal(await runner.ended, 0, runner.said());
    nothingLeft(processes);
    assert.equal(stateOf(stateDir).state, 'stopped');
    assert.match(runner.said(), /stopping edge-0.*stopping proxy-0.*stopping sec-0.*stopping db-0/s);
  });

  it('gives a start up, and takes what was started down again', async () => {
    const runner = start();
    await waitFor(() => (readRunState(stateDir)?.processes.length ?? 0) >= 9, {
      timeoutMs: 60_000,
      what: 'processes to be started',
    });
    const processes = livingProcesses(stateOf(stateDir));
    runner.signal('SIGINT');
    assert.equal(await runner.ended, 130, runner.said());
    nothingLeft(processes);
  });

  it('is killed by the second Ctrl-C, however long the first would take', async () => {
    const runner = start();
    await runner.up();
    const state = stateOf(stateDir);
    const processes = livingProcesses(state);
    const mysqld = processes.find(({ name }) => name === 'db-0 mysqld');
    assert.ok(mysqld);
    // It cannot stop in order any more.
    process.kill(mysqld.identity.pid, 'SIGSTOP');
    runner.signal('SIGINT');
    await waitFor(() => runner.said().includes('stopping db-0'), {
      timeoutMs: 60_000,
      what: 'the mesh to wait for its database',
    });
    // Two that come within half a second count as one (npm passes the terminal's on).
    await systemClock.sleep(700);
    runner.signal('SIGINT');
    assert.equal(await runner.ended, 130, runner.said());
    await waitFor(() => alive(processes).length === 0, { timeoutMs: 10_000, what: 'the killed to be dead' });
    nothingLeft(processes);
  });
});
