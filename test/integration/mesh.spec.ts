import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'mocha';
import { ownerOf } from '#compose/demo/phone.ts';
import { isServing } from '#compose/runner/ready.ts';
import { socketPath } from '#compose/topology/paths.ts';
import { podNamed, podsOf } from '#compose/topology/query.ts';
import { SallyportError } from '#core/errors/error.ts';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { RevokeWait, SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { withDeadline } from '#kernel/time/deadline.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { SdkEvent } from '#sdk/events.ts';
import type { Session } from '#sdk/session.ts';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { askSecurity } from '#services/cli/operator.ts';
import { askStatus } from '#services/db-agent/peers.ts';
import { activationFor, meshStartMs, type OwnMesh, ownMesh } from '../mesh.ts';
import { enrolDevice, type TestDevice } from '../mesh-device.ts';
import { type Reading, readWhile } from '../read-while.ts';

const upload = randomBytes(5 * 1024 * 1024);
/** Without streams a body is one frame of at most 1 MiB (docs/PROTOCOL.md). */
const bodyBytes = { stream: upload.length, exchange: 1_000_000 } as const;
/** A proxy goes on for so long without asking the security tier. */
const leaseMs = 10_000;
/** What a failover of the database may keep a person waiting who enrols and logs in. */
const failoverMs = 10_000;

describe('a mesh on this machine', function () {
  this.timeout(170_000);
  let own: OwnMesh;
  let phone: TestDevice;
  let session: Session;
  const events: SdkEvent[] = [];

  before(async function () {
    this.timeout(meshStartMs);
    own = await ownMesh();
    phone = await enrolDevice(own, { listener: (event) => events.push(event) });
    session = await phone.device.open(phone.credentials);
  });

  after(async () => {
    await session?.close();
    phone?.device.close();
    await own?.close();
  });

  const currentProxy = (): { proxy: string; edge: string } => {
    const attached = events.findLast((event) => event.type === 'attached');
    assert.ok(attached?.type === 'attached');
    return attached;
  };
  /** Resolves when the phone has attached anew since so many events. */
  const attachedSince = (seen: number): Promise<true> =>
    waitFor(() => events.slice(seen).some((event) => event.type === 'attached'), {
      timeoutMs: 30_000,
      what: 'the phone to be attached again',
    });
  const undisturbed = ({ read, failures }: Reading): void => {
    assert.deepEqual(failures.slice(0, 5), []);
    assert.ok(read > 0);
  };

  it('shows the first page, to whom it is shown being known to the intranet', async () => {
    const response = await session.fetch('/');
    assert.equal(response.status, 200);
    assert.match(await response.text(), /Hello anna/);
    const who = await (await session.fetch('/whoami')).json();
    assert.ok(typeof who === 'object' && who !== null && 'groups' in who && 'host' in who);
    assert.deepEqual([who.groups, who.host], [['staff'], 'intranet.example']);
  });

  for (const carrier of ['stream', 'exchange'] as const) {
    it(`carries ${bodyBytes[carrier]} bytes up and down unchanged (${carrier})`, async () => {
      const attached: SdkEvent[] = [];
      const other = await enrolDevice(own, {
        streams: carrier === 'stream',
        listener: (event) => event.type === 'attached' && attached.push(event),
      });
      const its = await other.device.open(other.credentials);
      try {
        const body = upload.subarray(0, bodyBytes[carrier]);
        const echoed = await its.fetch('/echo', { method: 'POST', body });
        assert.equal(echoed.status, 200);
        assert.equal(digest(await echoed.bytes()), digest(body));
        const big = await its.fetch(`/big?bytes=${body.length}`);
        assert.equal(digest(await big.bytes()), digest(bigPage(body.length)));
        assert.ok(attached.every((event) => event.type === 'attached' && event.carrier === carrier));
      } finally {
        await its.close();
        other.device.close();
      }
    });
  }

  it('stays within the memory that a small machine can spare', () => {
    const mib = own.pssMib();
    assert.ok(mib !== undefined && mib > 100 && mib < 3584, `${mib} MiB`);
  });

  it('reads on at the next security pod when the owner is killed again and again', async () => {
    const owner = ownerOf(session.id);
    const pod = podNamed(own.topology, owner);
    const reading = await readWhile(session, async (soFar) => {
      const start = systemClock.monotonic();
      let readByThen: number | undefined;
      // Down, but for moments, for longer than any proxy may go on without asking.
      for (;;) {
        own.kill(owner, 'process', 'SIGKILL');
        await systemClock.sleep(200);
        const elapsed = systemClock.monotonic() - start;
        if (elapsed > leaseMs) readByThen ??= soFar.read;
        if (elapsed > 1.2 * leaseMs) break;
      }
      assert.ok(readByThen !== undefined && soFar.read > readByThen, 'pages are read by another pod’s lease');
      await own.waitUp();
    });
    undisturbed(reading);
    assert.equal(await isServing(own.topology, pod), true);
  });

  for (const part of ['process', 'sidecar'] as const) {
    it(`reads on when its proxy's ${part} is killed`, async () => {
      await session.attach();
      const { proxy } = currentProxy();
      const seen = events.length;
      const reading = await readWhile(session, async () => {
        assert.ok(own.kill(proxy, part, 'SIGKILL'));
        await attachedSince(seen);
        await own.waitUp();
      });
      undisturbed(reading);
    });
  }

  it('reads on when its proxy hangs', async () => {
    await session.attach();
    const { proxy } = currentProxy();
    const seen = events.length;
    const reading = await readWhile(session, async () => {
      assert.ok(own.kill(proxy, 'process', 'SIGSTOP'));
      try {
        await attachedSince(seen);
      } finally {
        own.kill(proxy, 'process', 'SIGCONT');
      }
      await own.waitUp();
    });
    undisturbed(reading);
  });

  it('reads on when its edge is killed', async () => {
    await session.attach();
    const { edge } = currentProxy();
    const pod = podsOf(own.topology, 'edge')[own.edgeUrls.indexOf(edge)];
    assert.ok(pod);
    const seen = events.length;
    const reading = await readWhile(session, async () => {
      assert.ok(own.kill(pod.name, 'sidecar', 'SIGKILL'));
      await attachedSince(seen);
      await own.waitUp();
    });
    undisturbed(reading);
    assert.notEqual(currentProxy().edge, edge);
  });

  for (const [pod, part] of [
    ['the owner', 'sidecar'],
    ['intranet-0', 'process'],
    ['intranet-0', 'sidecar'],
    ['db-0', 'process'],
    ['db-0', 'sidecar'],
  ] as const) {
    it(`reads on when the ${part} of ${pod} is killed`, async () => {
      const reading = await readWhile(session, async () => {
        assert.ok(own.kill(pod === 'the owner' ? ownerOf(session.id) : pod, part, 'SIGKILL'));
        await own.waitUp();
      });
      undisturbed(reading);
    });
  }

  it('reads on, and takes a new phone in, while the database elects another primary', async () => {
    const { topology } = own;
    const status = (pod: string) =>
      askStatus({ socketPath: socketPath(topology, pod, 'agent'), host: 'agent' }, 1000);
    const all = await Promise.all(podsOf(topology, 'db').map(({ name }) => status(name)));
    const primary = all.find(({ role }) => role === 'PRIMARY')?.pod ?? '';
    const enter = async (activation: string): Promise<[TestDevice, Session]> => {
      const fresh = await enrolDevice(own, { activation });
      return [fresh, await fresh.device.open(fresh.credentials)];
    };
    const start = systemClock.monotonic();
    const [calm, calmSession] = await enter(await activationFor(own));
    // Half a second, unless the machine is starved: that is not the failover's doing.
    const calmMs = systemClock.monotonic() - start;
    await calmSession.close();
    calm.device.close();
    const activation = await activationFor(own);
    const reading = await readWhile(session, async () => {
      assert.ok(own.kill(primary, 'mysqld', 'SIGKILL'));
      const [fresh, its] = await withDeadline(enter(activation), calmMs + failoverMs, {
        what: 'enrolling a new phone',
      });
      assert.equal((await its.fetch('/news')).status, 200);
      await its.close();
      fresh.device.close();
      await own.waitUp();
    });
    undisturbed(reading);
    assert.equal((await status(primary)).state, 'ONLINE');
  });

  it('cuts what a revoked session has open, and serves it nowhere any more', async () => {
    const doomed = await phone.device.open(phone.credentials);
    const live = await doomed.fetch('/events?every=50');
    const reader = live.body.getReader();
    assert.equal((await reader.read()).done, false);
    const cut = assert.rejects(async () => {
      while (!(await reader.read()).done);
    }, reason('SESSION_REVOKED'));
    const { everywhere } = await askSecurity(runningMesh(own.stateDir), SessionService, (sessions) =>
      sessions.revokeSessions(
        {
          subject: { case: 'session', value: doomed.id },
          reason: 'a lost phone',
          wait: RevokeWait.FLEET,
        },
        { deadlineMs: Date.now() + 30_000 },
      ),
    );
    assert.equal(everywhere, true);
    await assert.rejects(doomed.fetch('/news'), reason('SESSION_REVOKED'));
    await cut;
    // The other sessions of the device live on.
    assert.equal((await session.fetch('/news')).status, 200);
  });

  it('ends a revoked enrolment: its sessions, and any new one', async () => {
    const lost = await enrolDevice(own);
    const its = await lost.device.open(lost.credentials);
    assert.equal((await its.fetch('/news')).status, 200);
    await askSecurity(runningMesh(own.stateDir), KeyStore, (keyStore) =>
      keyStore.revokeSharedKey({ routeKey: lost.device.enrolment.routeKey, reason: 'a lost phone' }),
    );
    await waitFor(() => its.fetch('/news').then(() => false, reason('SESSION_REVOKED')), {
      timeoutMs: 30_000,
      what: 'the session to be over',
    });
    await assert.rejects(lost.device.open(lost.credentials), reason('ENROLMENT_REVOKED'));
    lost.device.close();
    assert.equal((await session.fetch('/news')).status, 200);
  });
});

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What the demo's intranet sends as /big. */
const bigPage = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, at) => (at * 31) & 255);

const reason =
  (expected: string) =>
  (error: unknown): true => {
    assert.equal(SallyportError.from(error).reason, expected, String(error));
    return true;
  };
