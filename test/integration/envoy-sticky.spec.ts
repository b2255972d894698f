import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { podNamed, portOf } from '#compose/topology/query.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type FakeMesh, startFakeMesh } from '#test/fake-mesh.ts';
import { Probe } from '#test/grpc-probe.ts';

const lease = '/sallyport.keystore.v1.KeyStore/LeaseSessionKey';
// Not to be run twice.
const login = '/sallyport.session.v1.SessionService/Login';
const keys = Array.from({ length: 200 }, (_, n) => `route-${n}`);

describe('sticky routing by real sidecars', function () {
  this.timeout(60_000);
  let mesh: FakeMesh;
  let proxies: Probe[];
  let phone: Probe;

  before(async () => {
    mesh = await startFakeMesh(
      { security: 3, proxies: 2, edges: 1, db: 0, backends: [] },
      // A pod is down when it says so or is gone, and not because this machine has let it wait for half a second.
      'edge: {requests_per_second: 100000, request_burst: 100000}\nhealth: {timeout: 10s}',
    );
    const edge = podNamed(mesh.topology, 'edge-0');
    const ca = readFileSync(join(mesh.topology.stateDir, 'pki', 'public-ca.crt'));
    proxies = ['proxy-0', 'proxy-1'].map((pod) => Probe.overSocket(mesh.socket(pod, 'out')));
    phone = Probe.overTls(`https://${edge.address}:${portOf(edge, 'public')}`, { ca });
  });
  after(async () => {
    for (const probe of [...(proxies ?? []), phone]) probe?.close();
    await mesh?.close();
  });

  const owners = async (probe: Probe, method: string): Promise<Map<string, string>> =>
    new Map(
      await Promise.all(
        keys.map(async (key) => {
          const answer = await probe.call(method, { 'x-sallyport-route': key });
          assert.equal(answer.grpcStatus, '0', JSON.stringify(answer));
          return [key, answer.seen?.pod ?? ''] as const;
        }),
      ),
    );
  const all = async (): Promise<Map<string, string>> => {
    const [first = new Map<string, string>(), ...others] = await Promise.all([
      owners(phone, login),
      ...proxies.map((probe) => owners(probe, lease)),
    ]);
    for (const other of others) assert.deepEqual(other, first, 'two sidecars see different owners');
    return first;
  };
  const moved = (from: Map<string, string>, to: Map<string, string>) =>
    [...from].filter(([key, pod]) => to.get(key) !== pod).map(([, pod]) => pod);

  it('gives each key to one pod, on which all proxies agree, and every pod its share', async () => {
    const at = await all();
    for (const pod of ['sec-0', 'sec-1', 'sec-2']) {
      const share = [...at.values()].filter((p) => p === pod).length;
      assert.ok(share > keys.length / 6, `${pod} has ${share} of ${keys.length}`);
    }
  });

  it('moves only the keys of a pod that is drained, and gives them back', async () => {
    const before = await all();
    await mesh.drain(new Set(['sec-1']));
    await waitFor(async () => !(await everyOwner()).has('sec-1'), {
      timeoutMs: 10_000,
      everyMs: 20,
      what: 'sec-1 to be taken out',
    });
    const strangers = moved(before, await all()).filter((pod) => pod !== 'sec-1');
    // Maglev moves very few keys between pods that stay: 0.5 % at most, here one.
    assert.ok(strangers.length <= 1, `${strangers.length} keys of pods that stay have moved`);
    await mesh.drain(new Set());
    await waitFor(async () => moved(before, await owners(phone, login)).length === 0, {
      timeoutMs: 10_000,
      everyMs: 20,
      what: 'the keys to come back',
    });
  });

  it('loses no call when a process is gone behind a living sidecar, not even one that must not run twice', async () => {
    const before = await owners(phone, login);
    await mesh.stopProcess('sec-2');
    const sidecar = mesh.envoys.get('sec-2');
    await waitFor(async () => (await sidecar?.stats())?.get('cluster.connect.upstream_cx_active') === 0, {
      timeoutMs: 5000,
      everyMs: 10,
      what: 'the sidecar to see its process gone',
    });
    // From before the health check notices until after.
    await waitFor(
      async () => {
        const during = await owners(phone, login);
        assert.ok(![...during.values()].includes('sec-2'));
        const stats = await mesh.envoys.get('edge-0')?.stats();
        return stats?.get('cluster.security.membership_healthy') === 2;
      },
      { timeoutMs: 15_000, everyMs: 50, what: 'the health check to notice' },
    );
    await mesh.startProcess('sec-2');
    await waitFor(async () => moved(before, await owners(phone, login)).length === 0, {
      timeoutMs: 15_000,
      everyMs: 50,
      what: 'sec-2 to own its keys again',
    });
  });

  it('loses no call while health checks flap, of one pod, of most or of all, and then each key is back', async () => {
    const pods = ['sec-0', 'sec-1', 'sec-2'];
    const before = await owners(phone, login);
    const noticed = new Set<number>();
    let flapping = true;
    const calls = async (probe: Probe, method: string): Promise<number> => {
      let answered = 0;
      while (flapping) answered += (await owners(probe, method)).size;
      return answered;
    };
    const [proxy] = proxies;
    assert.ok(proxy);
    const calling = Promise.all([calls(phone, login), calls(proxy, lease)]);
    try {
      for (const down of [['sec-0'], [], ['sec-1', 'sec-2'], ['sec-0'], pods, [], ['sec-2'], pods, []]) {
        mesh.notServing.clear();
        for (const pod of down) mesh.notServing.add(pod);
        // Until the edge has seen it: what nobody sees is no flapping.
        await waitFor(
          async () => {
            const stats = await mesh.envoys.get('edge-0')?.stats();
            const healthy = stats?.get('cluster.security.membership_healthy') ?? -1;
            noticed.add(healthy);
            return healthy === pods.length - down.length;
          },
          { timeoutMs: 20_000, everyMs: 20, what: `${down.join()} to be seen down` },
        );
      }
    } finally {
      mesh.notServing.clear();
      flapping = false;
    }
    const answered = await calling;
    assert.ok(answered.every((count) => count >= keys.length));
    assert.deepEqual([...noticed].filter((count) => count >= 0).sort(), [0, 1, 2, 3]);
    await waitFor(async () => moved(before, await owners(phone, login)).length === 0, {
      timeoutMs: 15_000,
      everyMs: 50,
      what: 'each key to be where it was',
    });
  });

  it('loses no repeatable call when a sidecar is killed', async () => {
    const [proxy] = proxies;
    assert.ok(proxy);
    await owners(proxy, lease);
    process.kill(mesh.envoys.get('sec-0')?.pid ?? 0, 'SIGKILL');
    assert.ok(![...(await owners(proxy, lease)).values()].includes('sec-0'));
  });

  /** Owners as each sidecar sees them at this moment, whether or not they agree. */
  async function everyOwner(): Promise<Set<string>> {
    const seen = await Promise.all([owners(phone, login), ...proxies.map((probe) => owners(probe, lease))]);
    return new Set(seen.flatMap((map) => [...map.values()]));
  }
});
