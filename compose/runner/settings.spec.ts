import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { loadMesh } from '#envoy/model/load.ts';
import { KeptSettings, tunedBy } from './settings.ts';

describe('what is kept about a mesh', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sp-settings-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is nothing at first, and the release as it is', () => {
    const kept = new KeptSettings(dir);
    assert.deepEqual([kept.sizes, kept.applied], [{}, undefined]);
    assert.deepEqual(tunedBy(kept.applied).model, loadMesh());
  });

  it('are sizes as they were last said', () => {
    new KeptSettings(dir).keepSizes({ security: 4, edges: 1 });
    new KeptSettings(dir).keepSizes({ security: 3 });
    assert.deepEqual(new KeptSettings(dir).sizes, { security: 3, edges: 1 });
    const kept = new KeptSettings(dir);
    kept.keepSizes({ gateways: { hr: 3 } });
    kept.keepSizes({ gateways: { crm: 2 } });
    assert.deepEqual(new KeptSettings(dir).sizes.gateways, { hr: 3, crm: 2 });
    // Another gateways.yaml says how many there are.
    kept.keepGateways('groups: []');
    assert.deepEqual(new KeptSettings(dir).sizes, { security: 3, edges: 1 });
    assert.equal(statSync(join(dir, 'settings.json')).mode & 0o777, 0o600);
  });

  it('stays as it was when a start is refused', () => {
    new KeptSettings(dir).keepSizes({ security: 3 });
    const kept = new KeptSettings(dir);
    kept.hold();
    kept.keepSizes({ security: 9 });
    assert.deepEqual(kept.sizes, { security: 9 });
    assert.deepEqual(new KeptSettings(dir).sizes, { security: 3 });
    kept.release();
    assert.deepEqual(new KeptSettings(dir).sizes, { security: 9 });
  });

  it('is what was applied, whatever becomes of the files it came from', () => {
    const mesh = 'health: {interval: 2s}\n';
    new KeptSettings(dir).keepApplied({ mesh, patches: [] });
    const kept = new KeptSettings(dir);
    assert.equal(tunedBy(kept.applied).model.health.interval, '2s');
    const { meshFile = '', patchesDir = '' } = kept.appliedPlaces;
    assert.equal(readFileSync(meshFile, 'utf8'), mesh);
    assert.ok(existsSync(patchesDir));
    kept.keepApplied(undefined);
    assert.deepEqual([existsSync(meshFile), kept.appliedPlaces.meshFile], [false, undefined]);
  });

  it('refuses a file of somebody else', () => {
    writeFileSync(join(dir, 'settings.json'), '{"version":1,"sizes":{"phones":3}}');
    assert.throws(
      () => new KeptSettings(dir),
      (error) => SallyportError.from(error).reason === 'CONFIG_INVALID',
    );
  });
});
