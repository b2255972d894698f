import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Attribute, Change, type Client } from 'ldapts';
import { after, before, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { Directory } from '#gen/sallyport/directory/v1/directory_pb.js';
import { type Sources, SyncAction, SyncKind, SyncState } from '#gen/sallyport/directory/v1/sources_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createCa } from '#kernel/pki/authority.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type DbGroup, startDbGroup } from '../db-group.ts';
import { companyLdif, groupDn, passwordOf, userDn } from '../directory/company.ts';
import { type SlapdServer, startSlapd } from '../directory/slapd.ts';
import { counts, ended, put, type SettingsInit, settingsFor, sourcesAt, sync } from '../directory/sources.ts';
import { keptClients } from '../kept-clients.ts';
import { enrolPhone } from '../phone.ts';
import { as } from '../security-bench.ts';
import { podAt, type SecurityPods, securityPods } from '../security-pods.ts';

describe('users of a real OpenLDAP', function () {
  this.timeout(180_000);
  let group: DbGroup;
  let tier: SecurityPods;
  let slapd: SlapdServer;
  let sources: GrpcClient<typeof Sources>;
  let sessions: GrpcClient<typeof SessionService>;
  let users: GrpcClient<typeof Directory>;
  const { keep, close } = keptClients();
  const userOf = async (name: string) => (await users.getUser({ name })).user;
  let change: Client;
  const settings = (more: SettingsInit = {}) =>
    settingsFor(slapd, { disabledAttribute: 'employeeType', disabledValues: ['gone'], ...more });
  const replace = (dn: string, attribute: string, ...values: string[]) =>
    change.modify(
      dn,
      new Change({ operation: 'replace', modification: new Attribute({ type: attribute, values }) }),
    );
  const ends = (id: string) =>
    waitFor(
      () =>
        sessions.getSession({ sessionId: id }).then(
          () => false,
          (error: unknown) => SallyportError.from(error).reason === 'SESSION_REVOKED',
        ),
      { timeoutMs: 60_000, what: 'the session to end' },
    );
  const socket = (): string => podAt(tier, 0).connectSocket;

  before(async () => {
    slapd = await startSlapd({ ldif: companyLdif({ users: 300, groups: 30, membersPerGroup: 20 }) });
    group = await startDbGroup({ pods: 1 });
    await group.online();
    tier = await securityPods(group, {
      names: ['sec-0', 'sec-1'],
      users: [{ name: 'user299', password: 'a local user', groups: ['local'] }],
      policy: { resources: [] },
    });
    await Promise.all(tier.pods.map((pod) => pod.start()));
    sessions = keep(
      createGrpcClient(SessionService, {
        address: `unix:${socket()}`,
        defaultDeadlineMs: 30_000,
        metadata: as('operator', 'alice'),
      }),
    );
    sources = keep(sourcesAt(socket()));
    users = keep(
      createGrpcClient(Directory, {
        address: `unix:${socket()}`,
        defaultDeadlineMs: 30_000,
        metadata: as('operator', 'alice'),
      }),
    );
    await put(sources, 'hq', settings(), slapd.admin.password);
    change = await slapd.client();
  });

  after(async () => {
    close();
    await change?.unbind();
    await tier?.close();
    await group?.close();
    await slapd?.close();
  });

  it('tells how each host answers, and shows nobody the password', async () => {
    const { hosts } = await sources.testSource({ name: 'hq' });
    assert.equal(hosts[0]?.error, '');
    assert.equal(hosts[0]?.kind, 'OpenLDAP, changes by entryCSN');
    assert.deepEqual(hosts[0]?.users.slice(0, 2), ['user0', 'user1']);
    const { source } = await sources.getSource({ name: 'hq' });
    assert.equal(source?.hasPassword, true);
    assert.ok(!JSON.stringify(source?.settings).includes(slapd.admin.password));
  });

  it('tells what it would change, and changes nothing', async () => {
    const run = await sync(sources, 'hq', { dryRun: true });
    assert.deepEqual(counts(run), {
      state: 'DONE',
      adds: 300,
      changes: 0,
      disables: 0,
      removes: 0,
      problems: 0,
    });
    assert.equal((await users.listUsers({})).users.length, 1);
  });

  it('takes users and groups over, those in groups of groups as well', async () => {
    const run = await sync(sources, 'hq');
    assert.deepEqual(counts(run), {
      state: 'DONE',
      adds: 300,
      changes: 0,
      disables: 0,
      removes: 0,
      problems: 1,
    });
    assert.match(run.listedProblems[0] ?? '', /a user user299 who is managed here/);
    assert.equal((await userOf('user299'))?.source, '');
    // group1 is in group0, and user25 in group1.
    assert.deepEqual((await userOf('user25'))?.groups, ['group0', 'group1', 'group16']);
    assert.equal((await userOf('user25'))?.source, 'hq');
    assert.equal((await userOf('USER25'))?.displayName, 'Person Number 25');
  });

  it('lets a user in by the password that the directory has', async () => {
    const phone = await enrolPhone(socket(), 'user7');
    await assert.rejects(phone.open(socket(), 'wrong password'), /CREDENTIALS_INVALID|wrong/);
    await assert.rejects(phone.open(socket(), ''), /CREDENTIALS_INVALID|wrong|INVALID_FIELD/);
    assert.ok((await phone.open(socket(), passwordOf(7))).id);
  });

  it('sees at once who was disabled, and ends the sessions', async () => {
    const phone = await enrolPhone(socket(), 'user8');
    const session = await phone.open(socket(), passwordOf(8));
    await replace(userDn(8), 'employeeType', 'gone');
    const run = await sync(sources, 'hq');
    assert.equal(run.full, false);
    assert.deepEqual(counts(run), {
      state: 'DONE',
      adds: 0,
      changes: 0,
      disables: 1,
      removes: 0,
      problems: 0,
    });
    await ends(session.id);
    await assert.rejects(phone.open(socket(), passwordOf(8)));
    assert.equal((await userOf('user8'))?.disabled, true);
    await replace(userDn(8), 'employeeType', 'back');
    assert.equal((await sync(sources, 'hq')).changes, 1);
    assert.ok((await phone.open(socket(), passwordOf(8))).id);
  });

  it('sees other groups, renames, a new user who was named before, and one who is gone', async () => {
    const phone = await enrolPhone(socket(), 'user9');
    const session = await phone.open(socket(), passwordOf(9));
    const hr = groupDn(3);
    await change.modifyDN(userDn(9), 'uid=nina');
    await change.modifyDN(userDn(13), 'uid=otto');
    await replace(userDn(10), 'displayName', 'Ten');
    await change.modify(
      hr,
      new Change({
        operation: 'add',
        modification: new Attribute({ type: 'member', values: [userDn(11), userDn(400), userDn(401)] }),
      }),
    );
    await change.add(userDn(400), { objectClass: 'inetOrgPerson', uid: 'user400', cn: 'New', sn: 'New' });
    await change.del(userDn(12));
    const run = await sync(sources, 'hq');
    assert.equal(run.full, false);
    const told = run.listed.map(({ action, name, formerName, addedGroups }) =>
      [SyncAction[action], name, formerName, ...addedGroups].join(' ').trim(),
    );
    assert.deepEqual(told.sort(), [
      'ADD user400  group3',
      'CHANGE user10',
      'CHANGE user11  group3',
      'REMOVE user12',
      'RENAME nina user9',
      'RENAME otto user13',
    ]);
    await ends(session.id);
    await assert.rejects(userOf('user9'), /NOT_FOUND|no user/);
    assert.deepEqual((await userOf('nina'))?.groups, ['group0', 'group15']);
    assert.deepEqual((await userOf('otto'))?.groups, ['group0', 'group15']);
    await assert.rejects(userOf('user13'), /NOT_FOUND|no user/);
    await assert.rejects(userOf('user12'), /NOT_FOUND|no user/);
    // The same password, and the device is enrolled still: only for another name.
    assert.ok((await phone.open(socket(), passwordOf(9), 'nina')).id);
    // Its group has not changed since the last look.
    await change.add(userDn(401), { objectClass: 'inetOrgPerson', uid: 'user401', cn: 'New', sn: 'New' });
    assert.equal((await sync(sources, 'hq')).adds, 1);
    assert.deepEqual((await userOf('user401'))?.groups, ['group3']);
  });

  it('finds nothing to do where nothing has changed, also when everything is read', async () => {
    const again = await sync(sources, 'hq');
    assert.deepEqual(counts(again), {
      state: 'DONE',
      adds: 0,
      changes: 0,
      disables: 0,
      removes: 0,
      problems: 0,
    });
    const full = await sync(sources, 'hq', { kind: SyncKind.FULL });
    assert.equal(full.full, true);
    assert.deepEqual(counts(full), {
      state: 'DONE',
      adds: 0,
      changes: 0,
      disables: 0,
      removes: 0,
      problems: 0,
    });
  });

  it('asks before it takes access from many, and does it for whoever says yes to these', async () => {
    for (let n = 20; n < 40; n++) await change.del(userDn(n));
    const asked = await sync(sources, 'hq');
    assert.deepEqual(counts(asked), {
      state: 'HELD',
      adds: 0,
      changes: 0,
      disables: 0,
      removes: 20,
      problems: 0,
    });
    assert.equal((await userOf('user20'))?.source, 'hq');
    const wrong = await sync(sources, 'hq', { confirm: '0123456789ab' });
    assert.equal(SyncState[wrong.state], 'HELD');
    const done = await sync(sources, 'hq', { confirm: asked.token });
    assert.equal(SyncState[done.state], 'DONE');
    await assert.rejects(userOf('user20'), /NOT_FOUND|no user/);
  });

  it('is gone on with by another pod when the one that does it dies', async () => {
    await replace(userDn(50), 'displayName', 'Fifty');
    process.kill(slapd.pid() ?? 0, 'SIGSTOP');
    const { id } = await sources.startSync({ requestKey: randomUUID(), source: 'hq', kind: SyncKind.FULL });
    const begun = await waitFor(
      async () => {
        const { run } = await sources.getSync({ id });
        return run?.state === SyncState.RUNNING && run;
      },
      { timeoutMs: 30_000, what: 'a pod to begin' },
    );
    const n = tier.pods.findIndex(({ pod }) => pod === begun.pod);
    const other = tier.pods[1 - n];
    assert.ok(other);
    await podAt(tier, n).end('SIGKILL');
    process.kill(slapd.pid() ?? 0, 'SIGCONT');
    const there = keep(sourcesAt(other.connectSocket));
    const run = await ended(there, id);
    assert.equal(run.pod, other.pod);
    assert.equal(SyncState[run.state], 'DONE');
    assert.equal(run.changes, 1);
    // A pod whose `sources.hosts` names neither itself nor its host leaves it to others, even what it is asked for.
    await podAt(tier, n).start({ SALLYPORT_SECURITY_SOURCES__HOSTS: '["elsewhere"]' });
    const here = keep(sourcesAt(podAt(tier, n).connectSocket));
    assert.equal((await sync(here, 'hq')).pod, other.pod);
  });

  it('goes to the next host when one does not answer, and says which do', async () => {
    const dead = 'ldaps://127.0.0.1:1';
    const { source } = await sources.getSource({ name: 'hq' });
    const more = { urls: [dead, slapd.ldap], startTls: true };
    await put(sources, 'hq', settings(more), slapd.admin.password, source?.revision);
    assert.equal(SyncState[(await sync(sources, 'hq')).state], 'DONE');
    const { hosts } = await sources.testSource({ name: 'hq' });
    assert.deepEqual(
      hosts.map(({ ok }) => ok),
      [false, true],
    );
    const phone = await enrolPhone(socket(), 'user51');
    assert.ok((await phone.open(socket(), passwordOf(51))).id);
  });

  it('does not trust a host whose certificate is of another authority', async () => {
    const { source } = await sources.getSource({ name: 'hq' });
    const strange = await createCa({ name: 'another', days: 1 }, systemClock);
    await put(sources, 'hq', settings({ caPem: strange.cert }), slapd.admin.password, source?.revision);
    const run = await sync(sources, 'hq');
    assert.equal(SyncState[run.state], 'FAILED');
    assert.equal(run.errorReason, 'SOURCE_UNREACHABLE');
  });

  it('lets users in without a directory only where the source keeps hashes, by the last password', async () => {
    const { source } = await sources.getSource({ name: 'hq' });
    await put(sources, 'hq', settings({ offlineVerifier: true }), slapd.admin.password, source?.revision);
    const phone = await enrolPhone(socket(), 'user52');
    const stranger = await enrolPhone(socket(), 'user53');
    assert.ok((await phone.open(socket(), passwordOf(52))).id);
    await slapd.stop();
    try {
      assert.ok((await phone.open(socket(), passwordOf(52))).id);
      await assert.rejects(phone.open(socket(), 'another one'), /CREDENTIALS_INVALID|wrong/);
      await assert.rejects(stranger.open(socket(), passwordOf(53)), /no host of the directory answers/);
    } finally {
      await slapd.start();
    }
  });

  it('goes with its users when somebody says yes', async () => {
    const asked = await sync(sources, 'hq', { kind: SyncKind.RETIRE });
    assert.equal(SyncState[asked.state], 'HELD');
    const done = await sync(sources, 'hq', { kind: SyncKind.RETIRE, confirm: asked.token });
    assert.equal(SyncState[done.state], 'DONE');
    assert.deepEqual((await sources.listSources({})).sources, []);
    assert.deepEqual(
      (await users.listUsers({})).users.map(({ name }) => name),
      ['user299'],
    );
  });
});
