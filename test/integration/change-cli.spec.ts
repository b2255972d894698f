import assert from 'node:assert/strict';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { controlSocket } from '#compose/runner/control/messages.ts';
import { socketPath } from '#compose/topology/paths.ts';
import { askAdmin } from '#envoy/admin/ask.ts';
import { type CliRunner, cli, cliRunner } from '../cli-runner.ts';
import { meshStartMs } from '../mesh.ts';
import { killAll, removeState, stateOf, temporaryState } from '../mesh-state.ts';

/** The last line of what a command with --json has said on standard output. */
function outcomeOf(said: string): Record<string, unknown> {
  const line = said
    .trim()
    .split('\n')
    .findLast((each) => each.startsWith('{"name"'));
  return JSON.parse(line ?? '{}') as Record<string, unknown>;
}

describe('commands that change a running mesh', function () {
  this.timeout(meshStartMs);
  let stateDir: string;
  let runner: CliRunner;
  const run = async (...args: string[]): Promise<{ code: unknown; outcome: Record<string, unknown> }> => {
    const { code, said } = await cli(...args, '--state', stateDir, '--json');
    return { code, outcome: outcomeOf(said) };
  };
  const failedWith = ({ code, outcome }: Awaited<ReturnType<typeof run>>): unknown => {
    assert.equal(code, 1);
    const { error } = outcome as { error?: { code: string; hint: string } };
    assert.ok(error?.hint);
    return error.code;
  };
  const pods = (): string[] => stateOf(stateDir).pods.map(({ name }) => name);
  const start = async (...options: string[]): Promise<void> => {
    runner = cliRunner(stateDir, ...options);
    await runner.up();
  };

  before(async () => {
    stateDir = temporaryState();
    await start('--security', '1', '--proxies', '1', '--edges', '1', '--db', '1');
  });
  after(() => {
    killAll(stateDir);
    removeState(stateDir);
  });

  it('ask a socket that only its user can open', () => {
    assert.equal(statSync(controlSocket(stateOf(stateDir).runDir)).mode & 0o777, 0o600);
  });

  it('scale a tier', async () => {
    const { code, outcome } = await run('scale', 'services', '1');
    assert.equal(code, 0);
    assert.deepEqual(outcome.added, ['svc-0']);
    assert.ok(pods().includes('svc-0'));
  });

  it('restart a pod', async () => {
    const pid = (): number | undefined =>
      stateOf(stateDir).processes.find(({ name }) => name === 'svc-0 sidecar')?.identity.pid;
    const before = pid();
    const { code, outcome } = await run('restart', 'svc-0');
    assert.deepEqual([code, outcome.restarted], [0, ['svc-0']]);
    assert.notEqual(pid(), before);
  });

  it('rotate certificates', async () => {
    const serial = async (): Promise<string | undefined> => {
      const admin = socketPath({ stateDir, runDir: stateOf(stateDir).runDir }, 'sec-0', 'admin');
      // The authority's own stands before it.
      return /"cert_chain".*?"serial_number": "([0-9a-f]+)"/s.exec(await askAdmin(admin, '/certs'))?.[1];
    };
    const before = await serial();
    assert.ok(before);
    assert.equal((await run('certs', 'rotate')).code, 0);
    assert.notEqual(await serial(), before);
  });

  it('apply a configuration, and only say what it would be when asked', async () => {
    const file = join(stateDir, 'my-mesh.yaml');
    writeFileSync(file, 'health: {interval: 2s}\n');
    const changed = async (...options: string[]): Promise<unknown> => {
      const { code, outcome } = await run('mesh', 'apply', '--file', file, ...options);
      assert.equal(code, 0);
      return (outcome.changed as string[]).includes('edge-0: cds/security');
    };
    assert.equal(await changed('--dry-run'), true);
    assert.equal(await changed(), true);
    assert.equal(await changed(), false);
  });

  it('refuse what cannot be, with a code and a hint, and change nothing', async () => {
    const before = pods();
    assert.equal(failedWith(await run('scale', 'edges', '2')), 'CHANGE_REFUSED');
    assert.equal(failedWith(await run('drain', 'sec-0')), 'CHANGE_REFUSED');
    assert.equal(failedWith(await run('drain', 'nobody')), 'NOT_FOUND');
    assert.equal(failedWith(await run('restart', '--tier', 'phones')), 'NOT_FOUND');
    writeFileSync(join(stateDir, 'bad.yaml'), 'health: {intervall: 2s}\n');
    assert.equal(
      failedWith(await run('mesh', 'apply', '--file', join(stateDir, 'bad.yaml'))),
      'CONFIG_INVALID',
    );
    assert.equal((await run('restart')).code, 2);
    assert.deepEqual(pods(), before);
  });

  it('last for the next start, and are forgotten by what it is told', async () => {
    assert.equal((await cli('down', '--state', stateDir)).code, 0);
    await runner.ended;
    assert.equal(failedWith(await run('scale', 'services', '2')), 'MESH_NOT_RUNNING');
    await start();
    assert.ok(pods().includes('svc-0') && !pods().includes('sec-1'));
    const { outcome } = await run('mesh', 'apply', '--file', join(stateDir, 'my-mesh.yaml'), '--dry-run');
    assert.deepEqual(outcome.changed, []);
    assert.equal((await run('mesh', 'apply')).code, 0);
    assert.equal(stateOf(stateDir).meshFile, undefined);
    assert.ok(!existsSync(join(stateDir, 'applied')));
    assert.deepEqual((await run('scale', 'services', '0')).outcome.removed, ['svc-0']);
    assert.equal((await cli('down', '--state', stateDir)).code, 0);
  });
});
