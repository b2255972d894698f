import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { after, before, describe, it } from 'mocha';
import { ownerOf } from '#compose/demo/phone.ts';
import { isOnline, isServing } from '#compose/runner/ready.ts';
import { socketPath } from '#compose/topology/paths.ts';
import { podNamed, podsOf } from '#compose/topology/query.ts';
import type { Pod } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { RevokeWait, SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { withDeadline } from '#kernel/time/deadline.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { Session } from '#sdk/session.ts';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { askSecurity } from '#services/cli/operator.ts';
import { askStatus } from '#services/db-agent/peers.ts';
import { activationFor, type OwnMesh, ownMesh } from '../mesh.ts';
import { enrolDevice, type TestDevice } from '../mesh-device.ts';
import { type Network, openNetwork } from '../netns/network.ts';
import { type Reading, readWhile } from '../read-while.ts';

const names = ['host-0', 'host-1', 'host-2'] as const;
/** For what has to wait for a new primary, on a machine that does other things too. */
const failoverMs = 60_000;
/** For a host that is back: its database node catches up, its pods read the feed. */
const rejoinMs = 120_000;
/** Phones enough that each security pod owns one of them, as good as surely. */
const mostPhones = 30;

describe('a mesh over three hosts', function () {
  this.timeout(300_000);
  let network: Network;
  let mesh: OwnMesh;
  const phones: TestDevice[] = [];
  /** By owner. */
  const sessions = new Map<string, Session>();

  before(async () => {
    network = await openNetwork(names);
    mesh = await ownMesh({ hosts: network.hosts, sizes: { backendReplicas: 3 } });
    const owners = podsOf(mesh.topology, 'security');
    while (sessions.size < owners.length) {
      assert.ok(phones.length < mostPhones, `all phones belong to ${[...sessions.keys()]}`);
      const phone = await enrolDevice(mesh);
      phones.push(phone);
      const session = await phone.device.open(phone.credentials);
      if (sessions.has(ownerOf(session.id))) await session.close();
      else sessions.set(ownerOf(session.id), session);
    }
  });

  after(async () => {
    for (const session of sessions.values()) await session.close().catch(() => undefined);
    for (const phone of phones) phone.device.close();
    await mesh?.close();
    await network?.close();
  });

  const podOf = (role: Pod['role'], host: string): Pod => {
    const pod = podsOf(mesh.topology, role).find((each) => each.host === host);
    assert.ok(pod);
    return pod;
  };
  const sessionOwnedOn = (host: string): Session => {
    const session = sessions.get(podOf('security', host).name);
    assert.ok(session);
    return session;
  };
  const statusOf = (pod: Pod) =>
    askStatus({ socketPath: socketPath(mesh.topology, pod.name, 'agent'), host: 'agent' }, 5000);
  const primaryHost = (others: readonly string[] = names): Promise<string> =>
    waitFor(
      async () => {
        for (const host of others) {
          const { state, role, majority, writable } = await statusOf(podOf('db', host));
          if (state === 'ONLINE' && role === 'PRIMARY' && majority && writable) return host;
        }
        return undefined;
      },
      { timeoutMs: failoverMs, what: 'a primary' },
    );
  const othersThan = (host: string): string[] => names.filter((each) => each !== host);
  const undisturbed = ({ read, failures }: Reading): void => {
    assert.deepEqual(failures.slice(0, 5), []);
    assert.ok(read > 0);
  };
  /** What takes a write: an activation, an enrolment, a login; then a page. */
  const newPhone = async (): Promise<void> => {
    const phone = await enrolDevice(mesh, { activation: await activationFor(mesh) });
    try {
      const session = await phone.device.open(phone.credentials);
      assert.equal((await session.fetch('/news')).status, 200);
      await session.close();
    } finally {
      phone.device.close();
    }
  };
  /** All pods of the host serve, and its database node is in the group, without anybody's doing. */
  const isBack = async (host: string): Promise<void> => {
    await waitFor(() => isOnline(mesh.topology, podOf('db', host)), {
      timeoutMs: rejoinMs,
      what: `the database node of ${host} to rejoin`,
    });
    await waitFor(() => isServing(mesh.topology, podOf('security', host)), {
      timeoutMs: rejoinMs,
      what: `the security pod of ${host} to serve`,
    });
    await mesh.waitUp();
  };

  it('runs the pods of a host in its namespace, databases included', () => {
    const ours = new Map(mesh.processes().map(({ name, identity }) => [identity.pid, name]));
    for (const host of names) {
      const inside = network.pids(host).map((pid) => ours.get(pid) ?? `process ${pid}`);
      const expected = mesh.topology.pods
        .filter((pod) => pod.host === host)
        .flatMap(({ name, role }) => [
          `${name} sidecar`,
          ...(role === 'edge' ? [] : [`${name} process`]),
          ...(role === 'db' ? [`${name} mysqld`] : []),
        ]);
      assert.deepEqual(inside.sort(), expected.sort());
    }
  });

  it('loses the host of owner and primary: the phone reads on, others come in, and the host finds back', async () => {
    const lost = await primaryHost();
    const reading = await readWhile(sessionOwnedOn(lost), async () => {
      await network.isolate(lost);
      try {
        // Enrolling waits for another primary.
        await withDeadline(newPhone(), failoverMs, { what: 'a new phone to come in' });
        assert.notEqual(await primaryHost(othersThan(lost)), lost);
        await waitFor(async () => !(await isServing(mesh.topology, podOf('security', lost))), {
          timeoutMs: failoverMs,
          what: 'the security pod that is cut off to say that it does not know any more',
        });
        await newPhone();
      } finally {
        await network.heal();
      }
      await isBack(lost);
    });
    undisturbed(reading);
    await newPhone();
  });

  it('lets no revoked session in at a host that is cut off from the others and not from phones', async () => {
    const lost = await primaryHost();
    const spared = sessionOwnedOn(lost);
    const [phone] = phones;
    assert.ok(phone);
    const doomed = await phone.device.open(phone.credentials);
    assert.equal((await doomed.fetch('/news')).status, 200);
    const reading = await readWhile(spared, async () => {
      await network.partition([lost], othersThan(lost));
      try {
        await primaryHost(othersThan(lost));
        const { everywhere } = await askSecurity(
          {
            ...runningMesh(mesh.stateDir),
            pods: mesh.topology.pods.filter(({ host }) => host !== lost) as never,
          },
          SessionService,
          (service) =>
            service.revokeSessions(
              {
                subject: { case: 'session', value: doomed.id },
                reason: 'a lost phone',
                wait: RevokeWait.FLEET,
              },
              { timeoutMs: 90_000 },
            ),
        );
        assert.equal(everywhere, true);
        // Edges of both sides are tried, and whichever proxy and security pod are behind them.
        for (let n = 0; n < 10; n++) {
          await assert.rejects(doomed.fetch('/news'), refused);
          await systemClock.sleep(100);
        }
      } finally {
        await network.heal();
      }
      await isBack(lost);
      await assert.rejects(doomed.fetch('/news'), refused);
    });
    undisturbed(reading);
  });

  it('loses a host’s power: all its processes at once, and silently', async () => {
    const lost = await primaryHost();
    const reading = await readWhile(sessionOwnedOn(lost), async () => {
      await network.linkDown(lost);
      assert.ok(network.signalAll(lost, 'SIGKILL') > 0);
      try {
        await withDeadline(newPhone(), failoverMs, { what: 'a new phone to come in' });
      } finally {
        await network.heal();
      }
      await isBack(lost);
    });
    undisturbed(reading);
  });

  it('serves with 30 ms between all of its hosts', async () => {
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const)
      await network.delay(names[a], names[b], 30);
    try {
      const reading = await readWhile(sessionOwnedOn(names[0]), newPhone);
      undisturbed(reading);
    } finally {
      for (const [a, b] of [
        [0, 1],
        [0, 2],
        [1, 2],
      ] as const)
        await network.delay(names[a], names[b], 0);
    }
  });

  it('leaves nothing behind', async () => {
    const pods = podNamed(mesh.topology, 'sec-0');
    await mesh.close();
    for (const host of names) assert.deepEqual(network.pids(host), []);
    await network.close();
    const prefix = pods.address.slice(0, pods.address.lastIndexOf('.') + 1);
    const left = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    assert.deepEqual(
      left.filter(({ address }) => address.startsWith(prefix)),
      [],
    );
  });
});

const refused = (error: unknown): true => {
  assert.equal(SallyportError.from(error).reason, 'SESSION_REVOKED', String(error));
  return true;
};
