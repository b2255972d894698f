import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';
import { SallyportError } from '#core/errors/error.ts';
import { backendTuningOf, loadMesh, loadPatches, parseMesh, shippedMeshFile, tuningOf } from './load.ts';

const invalid = (pattern: RegExp) => (e: unknown) =>
  e instanceof SallyportError && e.reason === 'CONFIG_INVALID' && pattern.test(e.message);

describe('envoy/mesh.yaml', () => {
  it('is valid as shipped, and so are the shipped patches', () => {
    assert.equal(loadMesh().sidecar.concurrency, 1);
    assert.deepEqual(loadPatches(), []);
  });

  it('explains every knob and names its Envoy field', () => {
    const unexplained = (map: YAMLMap): string[] => {
      // The parser gives the first comment of a map to the map, and a knob may share the one right before it.
      let comment = map.commentBefore ?? '';
      return map.items.flatMap((pair) => {
        if (!isScalar(pair.key)) return [];
        comment = pair.key.commentBefore ?? comment;
        if (isMap(pair.value) && pair.value.items.length > 0) return unexplained(pair.value);
        return /Envoy: |for example/.test(comment) ? [] : [String(pair.key.value)];
      });
    };
    const root = parseDocument(readFileSync(shippedMeshFile, 'utf8')).contents;
    assert.ok(isMap(root));
    assert.deepEqual(unexplained(root), []);
  });

  it('refuses unknown fields, wrong units and values out of range, naming the field', () => {
    assert.throws(() => parseMesh('helth: {}', 'x.yaml'), invalid(/helth.*x\.yaml/));
    assert.throws(() => parseMesh('health: {intervall: 1s}', 'x'), invalid(/intervall/));
    assert.throws(() => parseMesh('health: {interval: 1}', 'x'), invalid(/health\.interval/));
    assert.throws(() => parseMesh('health: {interval: 1d}', 'x'), invalid(/duration with its unit/));
    assert.throws(() => parseMesh('health: {interval: 1ms}', 'x'), invalid(/out of range: 100ms to 1m/));
    assert.throws(() => parseMesh('edge: {max_heap: 1MiB}', 'x'), invalid(/out of range/));
    assert.throws(() => parseMesh('roles: {prxy: {}}', 'x'), invalid(/roles/));
    assert.throws(() => parseMesh('roles: {proxy: {edge: {}}}', 'x'), invalid(/edge/));
    assert.throws(() => parseMesh('telemetry: {endpoint: "ftp://x"}', 'x'), invalid(/endpoint/));
    assert.throws(() => parseMesh('a: [', 'x'), invalid(/no YAML/));
    assert.throws(() => parseMesh('health: {intervall: 1s}', 'x'), invalid(/did you mean interval\?/));
  });

  it('names the knobs of that name in other places', () => {
    const hintOf = (text: string): string => {
      try {
        parseMesh(text, 'x');
      } catch (error) {
        return SallyportError.from(error).hint;
      }
      return '';
    };
    assert.match(hintOf('retries: {max_requests: 1}'), /^there is connections\.max_requests; /);
    assert.match(hintOf('retries: {interval: 1s}'), /^there is health\.interval, outlier\.interval; /);
    assert.match(hintOf('nonsense: 1'), /^envoy\/mesh\.yaml has every knob/);
  });

  it("takes what a file names, the rest as shipped, and a role's or cluster's own values before both", () => {
    const model = parseMesh(
      'health: {interval: 2s}\nroles: {proxy: {health: {timeout: 1s}}}\nbackends: {clusters: {intranet: {attempts: 0}}}',
      'x',
    );
    assert.equal(tuningOf(model, 'proxy').health.interval, '2s');
    assert.equal(tuningOf(model, 'proxy').health.timeout, '1s');
    assert.equal(tuningOf(model, 'security').health.timeout, '0.5s');
    assert.equal(backendTuningOf(model, 'intranet').attempts, 0);
    assert.equal(backendTuningOf(model, 'other').attempts, 2);
    assert.deepEqual(parseMesh('', 'x'), loadMesh());
  });
});
