import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'mocha';
import type { CliWorld, Listed } from './world.ts';

/** Releases of apps. */
export function appCases(world: CliWorld): void {
  it('are published, rolled out in stages, halted, rolled back and removed', async () => {
    const ofApp = ['--app', 'com.example.field', '--platform', 'linux'];
    const [old, next] = [join(world.folder, 'field-1.pkg'), join(world.folder, 'field-2.pkg')];
    const same = 'the same in both\n'.repeat(20_000);
    writeFileSync(old, `old\n${same}`);
    writeFileSync(next, `new\n${same}`);
    assert.match((await world.run('apps', 'channels')).out, /^Nothing is rolled out\./);
    const first = await world.run(
      'apps',
      'upload',
      old,
      ...ofApp,
      '--version',
      '1.3',
      '--notes',
      'The first.',
    );
    assert.match(first.out, /com\.example\.field 1\.3 for linux is published/);
    const taken = await world.run('apps', 'upload', next, ...ofApp, '--version', '1.3');
    assert.match(taken.err, /^error ALREADY_EXISTS: /);
    await world.json('apps', 'rollout', '1.3', ...ofApp);
    const second = await world.json<{ deltas: { fromVersion: string; share: number; uploaded: boolean }[] }>(
      'apps',
      'upload',
      next,
      ...ofApp,
      '--version',
      '1.4',
    );
    assert.deepEqual(
      second.deltas.map(({ fromVersion, uploaded }) => [fromVersion, uploaded]),
      [['1.3', true]],
    );
    const none = await world.run('apps', 'upload', next, ...ofApp, '--version', '1.4', '--delta-from', '1.2');
    assert.match(none.err, /^error NOT_FOUND: there is no release com\.example\.field 1\.2/);
    const out = await world.run('apps', 'rollout', '1.4', ...ofApp, '--percent', '5', '--groups', 'testers');
    assert.match(
      out.out,
      /offers 1\.4 to 5 % of the devices and the groups testers\.\nThe others are offered 1\.3\./,
    );
    assert.match(
      (await world.run('apps', 'halt', ...ofApp, '--why', 'it crashes')).out,
      /It is halted: it crashes/,
    );
    assert.match(
      (await world.run('apps', 'channels')).out,
      /1\.4 .* 5 % .* testers .* 1\.3 .*halted: it crashes/,
    );
    assert.doesNotMatch((await world.run('apps', 'resume', ...ofApp)).out, /halted/);
    const back = await world.run('apps', 'rollback', '1.4', ...ofApp);
    assert.match(
      back.out,
      /^1\.4 is withdrawn\.\nstable of com\.example\.field for linux offers 1\.3 to 100 %/,
    );
    const { items } = await world.json<Listed>('apps', 'list', '--app', 'com.example.field');
    assert.deepEqual(
      items.map(({ withdrawn }) => withdrawn),
      [true, false],
    );
    assert.match((await world.run('apps', 'remove', '1.3', ...ofApp)).err, /^error CHANGE_REFUSED: /);
    await world.json('apps', 'remove', '1.4', ...ofApp);
    await world.json('apps', 'rotate-keys', 'app.com.example.field');
    assert.match((await world.run('apps', 'rotate-keys', 'app.nobody')).err, /^error NOT_FOUND: /);
    // The policy of the demo says which versions of this app there may be.
    const bounds = ['--min', '1.1', '--blocked', '1.1.5'];
    const refused = await world.run('apps', 'versions', ...ofApp, ...bounds);
    assert.match(refused.err, /^error CHANGE_REFUSED: /);
    const another = ['--app', 'com.example.stock', '--platform', 'linux'];
    const rules = await world.run('apps', 'versions', ...another, ...bounds);
    assert.equal(rules.code, 0, rules.err);
    assert.match(
      (await world.run('apps', 'channels')).out,
      /com\.example\.stock for linux opens sessions with 1\.1 or newer, but not 1\.1\.5\./,
    );
  });
}
