import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { embeddedTopology } from '#compose/topology/embedded.ts';
import { backendClusters, podsBeside } from '#compose/topology/query.ts';
import { SallyportError } from '#core/errors/error.ts';
import { checkGatewaySites, type GatewayGroup, parseGateways } from './gateways.ts';
import { leaseMsOf, parseSites, readSites, sitesIn } from './sites.ts';

const refuses = (read: () => unknown, message: RegExp): void => {
  assert.throws(
    read,
    (error: unknown) =>
      error instanceof SallyportError &&
      error.reason === 'CONFIG_INVALID' &&
      error.hint !== '' &&
      message.test(error.message),
  );
};
let port = 2000;
const topology = (slave: ReturnType<typeof parseSites>['slave'], gateways: GatewayGroup[] = []) =>
  embeddedTopology({ stateDir: '/state', runDir: '/run', slave, gateways, allocatePort: () => port++ });

describe('sites.yaml', () => {
  it('is one site when nothing is said', () => {
    const sites = parseSites('');
    assert.deepEqual(sites, { master: { name: 'master' } });
    assert.deepEqual(sitesIn(topology(undefined), sites), []);
  });

  it('places a slave site beside the master, whose pods stay as they are', () => {
    const sites = parseSites('slave: {name: geneva, edges: 1, backends: [branch, intranet], rideOut: 30s}');
    const t = topology(sites.slave);
    const there = t.pods.filter(({ site }) => site === 'geneva');
    assert.deepEqual(
      there.map(({ name, host }) => `${name} on ${host}`),
      [
        'db-geneva-0 on slave-0',
        ...['proxy-geneva-0 on slave-0', 'proxy-geneva-1 on slave-0', 'branch-geneva-0 on slave-0'],
        ...['intranet-geneva-0 on slave-0', 'edge-geneva-0 on slave-0'],
      ],
    );
    const names = (pods: typeof t.pods) => pods.map(({ name }) => name);
    const before = new Set(names(topology(undefined).pods));
    assert.deepEqual(names(t.pods.filter(({ site }) => site === undefined)), [...before]);
    assert.deepEqual(backendClusters(t, {}), ['intranet']);
    assert.deepEqual(names(podsBeside(t, 'proxy', { site: 'geneva' })), ['proxy-geneva-0', 'proxy-geneva-1']);
    const [master, slave] = sitesIn(t, sites);
    assert.deepEqual([master?.name, master?.leaseMs, master?.proxies.length], ['master', undefined, 3]);
    assert.deepEqual([slave?.leaseMs, slave?.backends], [40_000, ['branch', 'intranet']]);
    assert.equal(leaseMsOf({ rideOut: 30_000 }), 40_000);
  });

  it('has gateways at either site, or at the master for both', () => {
    const sites = parseSites('master: {name: zurich}\nslave: {name: geneva, backends: []}');
    const group = (name: string, site?: string) => ({
      ...{ name, site, pods: 1, forest: 'corp.example' },
      targets: [{ name, kind: 'http', url: 'http://127.0.0.1:1' }],
    });
    const groups = [
      ...parseGateways(
        JSON.stringify({ groups: [group('both'), group('near', 'geneva'), group('far', 'zurich')] }),
        'x',
      ),
    ];
    checkGatewaySites(groups, sites);
    const t = topology(sites.slave, groups);
    const where = t.pods
      .filter(({ role }) => role === 'gateway')
      .map(({ name, host, site }) => [name, host, site]);
    assert.deepEqual(where, [
      ['gw-both-0', 'host-0', undefined],
      ['gw-far-0', 'host-0', undefined],
      ['gw-near-0', 'slave-0', 'geneva'],
    ]);
    assert.deepEqual(
      sitesIn(t, sites, groups).map(({ gatewayGroups }) => gatewayGroups),
      [['far'], ['near']],
    );
    refuses(
      () => checkGatewaySites(groups, parseSites('master: {name: zurich}')),
      /"near" stands at site "geneva"/,
    );
  });

  it('is refused with the reason', () => {
    refuses(() => parseSites('slave: {name: master}'), /both sites are named "master"/);
    refuses(() => parseSites('slave: {name: Geneva}'), /name/);
    refuses(() => parseSites('slave: {rideOut: 10m}'), /rideOut/);
    refuses(() => parseSites('slave: {proxys: 1}'), /proxys/);
    refuses(() => parseSites('slave: {hosts: [{name: a, address: geneva.example}]}'), /address/);
    refuses(() => parseSites('a: ['), /not YAML/);
    refuses(() => readSites('/nowhere/sites.yaml'), /cannot be read/);
  });
});
