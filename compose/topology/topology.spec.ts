import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { embeddedTopology } from './embedded.ts';
import { bootstrapFile, meshTls, runDirOf, socketPath, xdsFile } from './paths.ts';
import { backendClusters, identityOf, podNamed, podsOf, portOf } from './query.ts';

const counter = () => {
  let next = 20000;
  return () => next++;
};
const options = () => ({ stateDir: '/state', runDir: '/run/s', allocatePort: counter() });
const invalid = (pattern: RegExp) => (e: unknown) =>
  e instanceof SallyportError && e.reason === 'CONFIG_INVALID' && pattern.test(e.message);

describe('the embedded topology', () => {
  it('spreads every tier over the failure domains', () => {
    const t = embeddedTopology(options());
    assert.deepEqual(
      t.pods.filter((p) => p.host === 'host-1').map((p) => p.name),
      ['db-1', 'sec-1', 'proxy-1', 'edge-1'],
    );
    assert.deepEqual(
      podsOf(t, 'security').map((p) => p.name),
      ['sec-0', 'sec-1', 'sec-2'],
    );
    assert.deepEqual(backendClusters(t, {}), ['intranet']);
    assert.deepEqual(Object.keys(podNamed(t, 'db-0').ports), ['mysql', 'agent', 'group']);
    assert.throws(() => portOf(podNamed(t, 'db-0'), 'public'), /has no port public/);
    assert.equal(identityOf(t, 'security', 'sec-0'), 'spiffe://sallyport.internal/security/sec-0');
  });

  it('refuses a port given twice, an ephemeral port, and a socket path that does not fit', () => {
    assert.throws(() => embeddedTopology({ ...options(), allocatePort: () => 20000 }), invalid(/both/));
    assert.throws(
      () => embeddedTopology({ ...options(), allocatePort: () => 40000 }),
      invalid(/port mysql is 40000/),
    );
    assert.throws(() => embeddedTopology({ ...options(), runDir: `/${'x'.repeat(90)}` }), invalid(/bytes/));
    assert.throws(() => embeddedTopology({ ...options(), backends: ['Bad'] }), invalid(/not allowed/));
  });

  it('puts two pods at one port of two addresses', () => {
    const hosts = [0, 1, 2].map((n) => ({ name: `h${n}`, address: `10.77.0.${n + 1}` }));
    const ports = { mesh: 15000, mysql: 15001, agent: 15002, group: 15003, public: 15004 };
    const t = embeddedTopology({
      ...options(),
      hosts,
      backends: [],
      proxies: 0,
      allocatePort: (_pod, port) => ports[port],
    });
    assert.equal(podNamed(t, 'sec-2').address, '10.77.0.3');
  });
});

describe('paths', () => {
  it('are the documented ones', () => {
    const f = { stateDir: '/state', runDir: runDirOf('/state', { tmp: '/tmp', uid: 7 }) };
    assert.match(f.runDir, /^\/tmp\/sallyport-7\/[0-9a-f]{8}$/);
    assert.equal(socketPath(f, 'sec-0', 'db-rw'), `${f.runDir}/sec-0/db-rw.sock`);
    assert.equal(meshTls(f, 'sec-0').ca, '/state/pods/sec-0/tls/current/ca.crt');
    assert.equal(bootstrapFile(f, 'sec-0'), '/state/pods/sec-0/envoy/bootstrap.json');
    assert.equal(xdsFile(f, 'sec-0', 'cds'), '/state/pods/sec-0/envoy/cds/cds.json');
    assert.equal(
      xdsFile(f, 'sec-0', 'eds', 'security-pod/sec-1'),
      '/state/pods/sec-0/envoy/eds/security-pod.sec-1.json',
    );
  });
});
