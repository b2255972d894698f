import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { waitFor } from '#kernel/time/wait-for.ts';
import { appCases } from '../cli/apps.ts';
import { policyCases } from '../cli/policy.ts';
import { roleCases } from '../cli/roles.ts';
import { sessionCases } from '../cli/sessions.ts';
import { userCases } from '../cli/users.ts';
import { CliWorld, type Listed } from '../cli/world.ts';
import { meshStartMs } from '../mesh.ts';

/** What an administrator does at the command line, on a mesh that runs. */
describe('the command line of a running mesh', function () {
  this.timeout(170_000);
  const world = new CliWorld();

  before(async function () {
    this.timeout(meshStartMs);
    await world.begin();
  });
  after(() => world.close());

  describe('sessions', () => sessionCases(world));
  describe('users', () => userCases(world));
  describe('people with roles', () => roleCases(world));

  describe('doctor and logs', () => {
    it('find a mesh well, and tell of what is behind each figure', async () => {
      // A sidecar that other suites' machines keep waiting is well a moment later.
      await waitFor(async () => (await world.run('doctor')).code === 0, {
        timeoutMs: 60_000,
        what: 'a clean bill',
      });
      const told = await world.json<{ figures: { name: string }[]; running: boolean }>('doctor');
      assert.equal(told.running, true);
      const names = told.figures.map(({ name }) => name);
      for (const name of ['pods up', 'database group', 'envoy refusals', 'certificates', 'disk'])
        assert.ok(names.includes(name), name);
    });

    it('show what a pod has written', async () => {
      const { code, out } = await world.run('logs', '-n', '3', 'sec-0');
      assert.equal(code, 0);
      assert.match(out, /^sec-0 process \| \{/m);
      assert.doesNotMatch(out, /^sec-1 /m);
      assert.match(
        (await world.run('logs', 'nobody')).err,
        /^error NOT_FOUND: .*nobody\nhint: pods are .*sec-0/,
      );
    });
  });

  describe('apps', () => appCases(world));
  describe('policy', () => policyCases(world));

  describe('activation and keys', () => {
    it('enrol, rotate and revoke a device', async () => {
      const file = join(world.own.stateDir, 'bert.txt');
      await world.json('activation', 'create', '--user', 'anna', '--ttl', '5m', '--output', file);
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.equal((await world.run('activation', 'create', '--user', 'anna', '--output', file)).code, 1);
      const device = await world.json<{ routeKey: string }>(
        'device',
        'enroll',
        '--name',
        'bert',
        '--activation-file',
        file,
      );
      const find = async () =>
        (await world.json<Listed>('keys', 'list', '--all', '--revoked')).items.find(
          ({ routeKey }) => routeKey === device.routeKey,
        );
      assert.equal((await find())?.deviceName, 'bert');
      assert.equal((await world.run('keys', 'rotate', '--', device.routeKey)).code, 0);
      assert.equal(String((await find())?.rotationPending), 'true');
      assert.equal((await world.run('keys', 'revoke', '--reason', 'lost', '--', device.routeKey)).code, 0);
      assert.ok((await find())?.revokedAt);
      assert.match((await world.run('keys', 'revoke', '--', 'A'.repeat(22))).err, /^error KEY_UNKNOWN: /);
    });

    it('show an activation as text and as a code to scan', async () => {
      const { out, err } = await world.run('activation', 'create', '--user', 'anna', '--qr');
      assert.match(out, /▀/);
      assert.match(err, /once, until \d{4}-/);
      const plain = await world.run('activation', 'create', '--user', 'anna');
      assert.match(plain.out, /^\S{60,}\n$/);
      assert.match((await world.run('activation', 'create', '--user', 'nobody')).err, /^error NOT_FOUND: /);
    });

    it('tell of the root key, and wrap under it again', async () => {
      const status = await world.json<{ currentRootKeyId: string }>('keys', 'root-status');
      const rotated = await world.json<{ currentRootKeyId: string }>('keys', 'root-rotate');
      assert.ok(status.currentRootKeyId);
      assert.equal(rotated.currentRootKeyId, status.currentRootKeyId);
    });
  });
});
