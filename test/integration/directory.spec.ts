import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { Directory } from '#gen/sallyport/directory/v1/directory_pb.js';
import type { Sources } from '#gen/sallyport/directory/v1/sources_pb.js';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { type DbGroup, startDbGroup } from '../db-group.ts';
import { companyLdif, passwordOf } from '../directory/company.ts';
import { type SlapdServer, startSlapd } from '../directory/slapd.ts';
import { counts, put, settingsFor, sourcesAt, sync } from '../directory/sources.ts';
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
  let users: GrpcClient<typeof Directory>;
  const { keep, close } = keptClients();
  const userOf = async (name: string) => (await users.getUser({ name })).user;
  const socket = (): string => podAt(tier, 0).connectSocket;

  before(async () => {
    slapd = await startSlapd({ ldif: companyLdif({ users: 300, groups: 30, membersPerGroup: 20 }) });
    group = await startDbGroup({ pods: 1 });
    await group.online();
    tier = await securityPods(group, { names: ['sec-0'], users: [], policy: { resources: [] } });
    await podAt(tier, 0).start();
    sources = keep(sourcesAt(socket()));
    users = keep(
      createGrpcClient(Directory, {
        address: `unix:${socket()}`,
        defaultDeadlineMs: 30_000,
        metadata: as('operator', 'alice'),
      }),
    );
    await put(sources, 'hq', settingsFor(slapd), slapd.admin.password);
  });

  after(async () => {
    close();
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
    assert.equal((await users.listUsers({})).users.length, 0);
  });

  it('takes users and groups over, those in groups of groups as well', async () => {
    const run = await sync(sources, 'hq');
    assert.deepEqual(counts(run), {
      state: 'DONE',
      adds: 300,
      changes: 0,
      disables: 0,
      removes: 0,
      problems: 0,
    });
    assert.equal(run.applied, 300);
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
});
