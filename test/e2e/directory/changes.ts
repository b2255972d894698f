import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Attribute, Change } from 'ldapts';
import { SallyportError } from '#core/errors/error.ts';
import { Directory } from '#gen/sallyport/directory/v1/directory_pb.js';
import { SyncKind, type SyncRun, SyncState } from '#gen/sallyport/directory/v1/sources_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { groupDn, passwordOf, people, userDn } from '../../directory/company.ts';
import { base, type SlapdServer, startSlapd } from '../../directory/slapd.ts';
import { counts, ended, put, settingsFor, sync } from '../../directory/sources.ts';
import { enrolPhone } from '../../phone.ts';
import { as } from '../../security-bench.ts';
import { podAt } from '../../security-pods.ts';
import type { Suite } from '../figures.ts';
import { stateOf, users, type World } from './world.ts';

/** Of every kind. */
export async function hundredChanges(world: World): Promise<SyncRun> {
  const { directory, replace, sources } = world;
  for (let n = 1000; n < 1040; n++) await replace(userDn(n), 'displayName', `Another ${n}`);
  for (let n = 1040; n < 1060; n++) await replace(userDn(n), 'employeeType', 'gone');
  for (let n = 1060; n < 1070; n++) await directory.modifyDN(userDn(n), `uid=renamed${n}`);
  for (let n = 1070; n < 1080; n++) await directory.del(userDn(n));
  for (let n = 1; n <= 10; n++) {
    await directory.add(userDn(users + n), {
      objectClass: 'inetOrgPerson',
      uid: `user${users + n}`,
      cn: 'New',
      sn: 'New',
    });
  }
  for (let n = 1; n <= 10; n++) {
    const modification = new Attribute({ type: 'member', values: [userDn(2000 + n)] });
    await directory.modify(groupDn(n), new Change({ operation: 'add', modification }));
  }
  const run = await sync(sources, 'hq');
  assert.equal(run.full, false);
  // 40 names, 10 renames, 10 users in other groups.
  assert.deepEqual(counts(run), {
    state: 'DONE',
    adds: 10,
    changes: 60,
    disables: 20,
    removes: 10,
    problems: 0,
  });
  return run;
}

/** Seconds from ordering the synchronisation until another pod says that the session is over. */
export async function untilRevoked(world: World): Promise<number> {
  const [here, there] = [podAt(world.tier, 0), podAt(world.tier, 1)];
  const phone = await enrolPhone(here.connectSocket, 'user3000');
  const session = await phone.open(here.connectSocket, passwordOf(3000));
  const sessions = createGrpcClient(SessionService, {
    address: `unix:${there.connectSocket}`,
    defaultDeadlineMs: 30_000,
    metadata: as('operator', 'alice'),
  });
  try {
    await world.replace(userDn(3000), 'employeeType', 'gone');
    const begun = systemClock.monotonic();
    const order = { requestKey: randomUUID(), source: 'hq' };
    await world.sources.startSync(order);
    await waitFor(
      () =>
        sessions.getSession({ sessionId: session.id }).then(
          () => false,
          (error: unknown) => SallyportError.from(error).reason === 'SESSION_REVOKED',
        ),
      { timeoutMs: 120_000, everyMs: 20, what: 'the session to end' },
    );
    return Math.round((systemClock.monotonic() - begun) / 10) / 100;
  } finally {
    sessions.close();
  }
}

/** What several sources, and whoever interrupts, may expect. */
export const changesSuite = (world: World): Suite => ({
  name: 'changes',
  checks: 3,
  run: async (check) => {
    const { sources, directory, tier } = world;
    const client = createGrpcClient(Directory, {
      address: `unix:${podAt(tier, 0).connectSocket}`,
      defaultDeadlineMs: 30_000,
      metadata: as('operator', 'alice'),
    });
    const nameOf = async (name: string): Promise<string | undefined> =>
      (await client.getUser({ name })).user?.displayName;
    try {
      await check('one that is ended half-way is gone on with by the next', async () => {
        for (let n = 10_000; n < 12_000; n++) await world.replace(userDn(n), 'displayName', `Changed ${n}`);
        const { id } = await sources.startSync({ requestKey: randomUUID(), source: 'hq' });
        await waitFor(async () => ((await sources.getSync({ id })).run?.applied ?? 0) > 0, {
          timeoutMs: 60_000,
          everyMs: 20,
          what: 'the first batch',
        });
        await sources.cancelSync({ id });
        const first = await ended(sources, id);
        const second = await sync(sources, 'hq');
        assert.equal(stateOf(second), 'DONE');
        const cancelled = first.state === SyncState.CANCELLED;
        assert.equal(second.changes, cancelled ? 2000 - first.applied : 0);
        assert.equal(await nameOf('user11999'), 'Changed 11999');
      });

      await check('of two directories the better one has the user, and the other takes over', async () => {
        const second = await startSlapd({
          ldif: [
            `dn: ${base}\nobjectClass: dcObject\nobjectClass: organization\no: Other\ndc: example\n\n`,
            `dn: ${people}\nobjectClass: organizationalUnit\nou: people\n\n`,
            `dn: ${userDn(5)}\nobjectClass: inetOrgPerson\nuid: user5\ncn: Other Five\nsn: 5\n\n`,
          ].join(''),
        });
        try {
          await put(
            sources,
            'better',
            settingsFor(second, { precedence: 1, groupsBase: '' }),
            second.admin.password,
          );
          assert.equal(stateOf(await sync(sources, 'better')), 'DONE');
          assert.equal(await nameOf('user5'), 'Other Five');
          await replaceIn(second, userDn(5), 'cn', 'Still Five');
          assert.equal((await sync(sources, 'better')).changes, 1);
          assert.equal(await nameOf('user5'), 'Still Five');
          const asked = await sync(sources, 'better', { kind: SyncKind.RETIRE });
          const done = await sync(sources, 'better', { kind: SyncKind.RETIRE, confirm: asked.token });
          assert.equal(stateOf(done), 'DONE');
          assert.equal(await nameOf('user5'), 'Person Number 5');
        } finally {
          await second.close();
        }
      });

      await check('a share that would lose access is asked about, and a dry run tells the same', async () => {
        for (let n = 20_000; n < 22_600; n++) await directory.del(userDn(n));
        const dry = await sync(sources, 'hq', { dryRun: true });
        assert.equal(stateOf(dry), 'DONE');
        const held = await sync(sources, 'hq');
        assert.equal(stateOf(held), 'HELD');
        assert.equal(held.removes, 2600);
        assert.equal(held.token, dry.token);
        const done = await sync(sources, 'hq', { confirm: held.token });
        assert.equal(stateOf(done), 'DONE');
        assert.equal(done.applied, 2600);
      });
    } finally {
      client.close();
    }
  },
});

async function replaceIn(slapd: SlapdServer, dn: string, type: string, value: string) {
  const client = await slapd.client();
  try {
    const modification = new Attribute({ type, values: [value] });
    await client.modify(dn, new Change({ operation: 'replace', modification }));
  } finally {
    await client.unbind();
  }
}
