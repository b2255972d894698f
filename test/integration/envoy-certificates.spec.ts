import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { after, before, describe, it } from 'mocha';
import { podNamed, portOf } from '#compose/topology/query.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type FakeMesh, startFakeMesh } from '#test/fake-mesh.ts';
import { Probe } from '#test/grpc-probe.ts';

const keyStore = '/sallyport.keystore.v1.KeyStore';
const sessions = '/sallyport.session.v1.SessionService';
const relay = '/sallyport.relay.v1.Relay';

describe('calls while certificates are replaced', function () {
  this.timeout(60_000);
  let mesh: FakeMesh;
  const probes: Probe[] = [];
  const keep = (probe: Probe) => {
    probes.push(probe);
    return probe;
  };

  before(async () => {
    mesh = await startFakeMesh({ security: 2, proxies: 2, edges: 1, db: 1, backends: ['intranet'] });
  });
  after(async () => {
    for (const probe of probes) probe.close();
    await mesh?.close();
  });

  const edge = () => {
    const pod = podNamed(mesh.topology, 'edge-0');
    const ca = readFileSync(join(mesh.topology.stateDir, 'pki', 'public-ca.crt'));
    return keep(Probe.overTls(`https://${pod.address}:${portOf(pod, 'public')}`, { ca }));
  };

  it('go on, streams too, while every certificate is changed', async () => {
    const pod = podNamed(mesh.topology, 'sec-1');
    const { dir } = await mesh.pki.ensureOperator('watcher');
    const file = (name: string) => readFileSync(join(dir, 'current', name));
    const shown = () =>
      new Promise<string>((resolve, reject) => {
        const tls = connectTls(
          {
            host: pod.address,
            port: portOf(pod, 'mesh'),
            ca: file('ca.crt'),
            cert: file('tls.crt'),
            key: file('tls.key'),
          },
          () => {
            resolve(tls.getPeerCertificate().serialNumber);
            tls.destroy();
          },
        ).on('error', reject);
      });
    const out = keep(Probe.overSocket(mesh.socket('proxy-1', 'out')));
    const phone = edge();
    const stream = out.call(
      '/sallyport.authorize.v1.ProxyAuthorize/Watch',
      { 'x-sallyport-pod': 'sec-1' },
      60_000,
    );
    const watching = stream.then(
      () => 'ended',
      () => 'cut',
    );
    const old = await shown();
    for (const { name, role, address } of mesh.topology.pods) {
      assert.ok((await mesh.pki.ensurePod(name, role, { ips: [address], force: true })).issued);
      if (role === 'edge') await mesh.pki.ensurePublic(name, { ips: [address], force: true });
    }
    await mesh.rewrite();
    await waitFor(
      async () => {
        await goOn(out, phone);
        return (await shown()) !== old;
      },
      { timeoutMs: 10_000, everyMs: 10, what: 'the new certificate to be shown' },
    );
    // Over connections that are made only now.
    await goOn(keep(Probe.overSocket(mesh.socket('proxy-0', 'out'))), edge());
    assert.equal(await Promise.race([watching, 'open']), 'open');
    out.close();
    assert.notEqual(await watching, 'open');
  });

  it('go on while the root is replaced', async () => {
    const out = keep(Probe.overSocket(mesh.socket('proxy-1', 'out')));
    const phone = edge();
    for (const step of ['addRoot', 'useNewRoot', 'dropOldRoots'] as const) {
      const taken = await updates();
      await mesh.pki.mesh[step]();
      for (const { name, role, address } of mesh.topology.pods)
        await mesh.pki.ensurePod(name, role, { ips: [address] });
      const files = (await mesh.rewrite()).filter((file) => !file.includes('/sds/'));
      // Whom to trust is a matter of clusters and listeners; who signs is not.
      const trust = ['edge-0/cds/cds.json', 'intranet-0/lds/lds.json'].map((file) => files.includes(file));
      assert.deepEqual(trust, step === 'useNewRoot' ? [false, false] : [true, true]);
      await waitFor(
        async () => {
          await goOn(out, phone);
          const now = await updates();
          return files.every((file) => (now.get(file) ?? 0) > (taken.get(file) ?? 0));
        },
        { timeoutMs: 10_000, everyMs: 10, what: `all sidecars to follow ${step}` },
      );
    }
    await goOn(keep(Probe.overSocket(mesh.socket('proxy-0', 'out'))), edge());
  });

  /** One call inside the mesh and one through all of it, neither of which may fail. */
  async function goOn(out: Probe, phone: Probe): Promise<void> {
    const answers = await Promise.all([
      out.call(`${keyStore}/LeaseSessionKey`, { 'x-sallyport-pod': 'sec-1' }),
      phone.call(`${relay}/Exchange`, { 'x-sallyport-route': 'r1' }),
      phone.call(`${sessions}/OpenSession`, { 'x-sallyport-route': 'r1' }),
    ]);
    for (const answer of answers) assert.equal(answer.grpcStatus, '0', JSON.stringify(answer));
  }

  /** How often each sidecar whose clusters are ready has taken its clusters, and its listeners. */
  async function updates(): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (const [pod, envoy] of mesh.envoys) {
      const stats = await envoy.stats();
      if (stats.get('cluster_manager.warming_clusters') !== 0) continue;
      counts.set(`${pod}/cds/cds.json`, stats.get('cluster_manager.cds.update_success') ?? 0);
      counts.set(`${pod}/lds/lds.json`, stats.get('listener_manager.lds.update_success') ?? 0);
    }
    return counts;
  }
});
