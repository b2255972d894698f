import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Subscription } from '../admin/subscriptions.ts';
import { refusalsIn } from './refusals.ts';
import { attribute } from './try-pod.ts';

const at = (line: string): string =>
  `[2026-11-27 03:50:06.290][16983][warning][config] [a/b.cc:81] ${line}\n`;
const rejected = (reason: string): string => at(`Filesystem config update rejected: ${reason}`);
const subscription = (type: Subscription['type'], resource: string, refusals = 1): Subscription => ({
  type,
  resource,
  version: '',
  taken: 0,
  rejected: refusals,
  failed: 0,
  takenAt: 0,
});

describe("an Envoy's log", () => {
  it('tells which resource was refused and why, each once', () => {
    const log =
      at("lds: listener 'mesh' config rejected: route: unknown cluster 'nowhere'") +
      rejected("Error adding/updating listener(s) mesh: route: unknown cluster 'nowhere'\n") +
      rejected("route: unknown cluster 'elsewhere'") +
      rejected("route: unknown cluster 'elsewhere'");
    assert.deepEqual(refusalsIn(log), [
      { type: 'lds', resource: 'mesh', reason: "route: unknown cluster 'nowhere'" },
      { type: 'rds', resource: undefined, reason: "route: unknown cluster 'elsewhere'" },
    ]);
  });

  it('tells of an unknown field, and which of the resources has it', () => {
    const log = rejected(
      "Protobuf message (type envoy.service.discovery.v3.DiscoveryResponse reason INVALID_ARGUMENT: invalid JSON in   envoy.service.discovery.v3.DiscoveryResponse  @  resources[1].<any>:  message envoy.config.endpoint.v3.ClusterLoadAssignment, near  64:17 (offset 1643): no   such   field:  'no_such') has unknown fields",
    );
    assert.deepEqual(refusalsIn(log), [
      {
        type: 'eds',
        resource: 1,
        reason: "no such field: 'no_such' in envoy.config.endpoint.v3.ClusterLoadAssignment",
      },
    ]);
  });

  it('is not quoted where it quotes a file, which may hold a key', () => {
    const log = at(
      'Filesystem config update failure: in pods/a/envoy/sds/mesh-cert.json, Unable to parse JSON as proto (bad): {\n  "private_key": "SECRET"\n}',
    );
    assert.deepEqual(refusalsIn(log), [
      { type: 'sds', resource: 'mesh-cert', reason: 'Unable to parse JSON as proto (bad)' },
    ]);
  });
});

describe('refusals of a trial', () => {
  it('come in the order in which one causes another', () => {
    const told = refusalsIn(
      rejected("route: unknown cluster 'security'") +
        at("cds: cluster 'security' config rejected: no start line"),
    );
    const refused = [subscription('rds', 'public'), subscription('cds', 'cds')];
    assert.deepEqual(
      attribute(refused, told).map(({ type, resource }) => `${type}/${resource}`),
      ['cds/security', 'rds/public'],
    );
  });

  it('are told of even if the log says nothing, or speaks of another type', () => {
    const silent = attribute([subscription('eds', 'proxy'), subscription('eds', 'security', 0)], []);
    assert.equal(silent.length, 1);
    assert.match(silent[0]?.reason ?? '', /does not tell why/);
    const told = refusalsIn(
      rejected(
        'reason: invalid JSON in X @ resources[0].<any>: message envoy.config.route.v3.RouteConfiguration, bad',
      ),
    );
    const inListener = attribute([subscription('lds', 'lds'), subscription('rds', 'out', 0)], told);
    assert.deepEqual(
      inListener.map(({ type, resource }) => [type, resource]),
      [['lds', undefined]],
    );
  });
});
