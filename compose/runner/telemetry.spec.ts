import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { loadMesh } from '#envoy/model/load.ts';
import { withTelemetry } from './telemetry.ts';

describe('telemetry of a mesh', () => {
  const model = loadMesh();

  it('tells sidecars the same receiver as processes, and how much to keep', () => {
    for (const [endpoint, path] of [
      ['http://127.0.0.1:4318', '/v1/traces'],
      ['http://127.0.0.1:4318/otlp', '/otlp/v1/traces'],
    ] as const) {
      const { telemetry } = withTelemetry(model, { endpoint, sampleRatio: 0.25 });
      assert.equal(telemetry.endpoint, `http://127.0.0.1:4318${path}`);
      assert.equal(telemetry.sampling_percent, 25);
    }
  });

  it('changes nothing without one, and refuses what is none', () => {
    assert.equal(withTelemetry(model, undefined), model);
    for (const endpoint of ['4318', 'ftp://x', 'https://x']) {
      assert.throws(() => withTelemetry(model, { endpoint }), { reason: 'CONFIG_INVALID' });
    }
  });
});
