import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { after, before, describe, it } from 'mocha';
import { Directory } from '#gen/sallyport/directory/v1/directory_pb.js';
import { type Sources, SyncKind, SyncState } from '#gen/sallyport/directory/v1/sources_pb.js';
import type { Db } from '#kernel/db/db.ts';
import { openDb } from '#kernel/db/open-db.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { SecurityTables } from '#services/security/store/tables.ts';
import { type DbGroup, startDbGroup } from '../db-group.ts';
import { askScim, groupSchema, patchSchema, type ScimAnswer, userSchema } from '../directory/scim.ts';
import { put, sourcesAt, sync } from '../directory/sources.ts';
import { keptClients } from '../kept-clients.ts';
import { as, failsAs } from '../security-bench.ts';
import { podAt, type SecurityPods, securityPods } from '../security-pods.ts';

describe('users pushed by SCIM', function () {
  this.timeout(120_000);
  let group: DbGroup;
  let tier: SecurityPods;
  let sources: GrpcClient<typeof Sources>;
  let users: GrpcClient<typeof Directory>;
  let db: Db<SecurityTables>;
  let token: string;
  const { keep, close } = keptClients();
  const pushed = { scim: true, timeoutMs: 1000, pageSize: 100, maxRemovalPercent: 5 };

  /** One request to a pod, as an edge passes it on. */
  const ask = async (
    method: string,
    path: string,
    body?: unknown,
    more: { pod?: number; headers?: Record<string, string>; bearer?: string } = {},
  ): Promise<ScimAnswer> => {
    const { connectSocket } = podAt(tier, more.pod ?? 0);
    const { bearer = token, headers = {} } = more;
    return askScim({ connectSocket, bearer, method, path, body, headers });
  };
  const create = async (userName: string, more: object = {}): Promise<string> => {
    const { status, body } = await ask('POST', '/Users', { schemas: [userSchema], userName, ...more });
    assert.equal(status, 201, JSON.stringify(body));
    return body.id;
  };
  const patch = (path: string, ...Operations: object[]): Promise<ScimAnswer> =>
    ask('PATCH', path, { schemas: [patchSchema], Operations });
  const userOf = async (name: string) => (await users.getUser({ name })).user;
  const clientAt = (pod: number) => ({
    address: `unix:${podAt(tier, pod).connectSocket}`,
    defaultDeadlineMs: 30_000,
    metadata: as('operator', 'alice'),
  });

  before(async () => {
    group = await startDbGroup({ pods: 1 });
    await group.online();
    tier = await securityPods(group, {
      names: ['sec-0', 'sec-1'],
      users: [{ name: 'local', password: 'a local user', groups: [] }],
      policy: { resources: [] },
    });
    await Promise.all(tier.pods.map((pod) => pod.start()));
    sources = keep(sourcesAt(podAt(tier, 0).connectSocket));
    users = keep(createGrpcClient(Directory, clientAt(0)));
    db = openDb({ socketPath: group.rwSocket, user: 'sallyport', password: group.passwords.app });
    await put(sources, 'idp', { ...pushed, precedence: 10 }, '');
    ({ token } = await sources.createScimToken({ source: 'idp', label: 'test' }));
  });

  after(async () => {
    close();
    await db?.close();
    await tier?.close();
    await group?.close();
  });

  it('lets nobody in without a token of the source, and says so as SCIM does', async () => {
    for (const bearer of ['', 'x', token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))]) {
      const { status, body, headers } = await ask('GET', '/Users', undefined, { bearer });
      assert.equal(status, 401);
      assert.match(String(headers['www-authenticate']), /^Bearer/);
      assert.equal(body.status, '401');
    }
    assert.equal((await ask('GET', '/Users', undefined, { headers: as('proxy', 'proxy-0') })).status, 403);
    const { id, token: other } = await sources.createScimToken({ source: 'idp', lifetimeSeconds: 3600 });
    assert.equal((await ask('GET', '/Users', undefined, { bearer: other })).status, 200);
    assert.ok(!inspect(await sources.listScimTokens({}), { depth: 9 }).includes(other));
    await sources.revokeScimToken({ id });
    assert.equal((await ask('GET', '/Users', undefined, { bearer: other })).status, 401);
    await assert.rejects(sources.createScimToken({ source: 'nowhere' }), failsAs('NOT_FOUND'));
  });

  it('tells what it can do', async () => {
    const config = await ask('GET', '/ServiceProviderConfig');
    assert.equal(config.body.patch.supported, true);
    assert.equal(config.headers['content-type'], 'application/scim+json');
    assert.deepEqual(
      (await ask('GET', '/Schemas')).body.Resources.map((each: { id: string }) => each.id),
      [userSchema, groupSchema],
    );
    assert.equal((await ask('GET', '/ResourceTypes/Group')).body.endpoint, '/Groups');
    assert.equal((await ask('GET', '/Nothing')).status, 404);
    assert.equal((await ask('POST', '/Schemas', {})).status, 405);
  });

  it('makes a user once, and finds it by its names', async () => {
    const made = await ask('POST', '/Users', {
      schemas: [userSchema],
      userName: 'Ada@Example.org',
      externalId: 'e-1',
      name: { givenName: 'Ada', familyName: 'Lovelace' },
      emails: [{ value: 'ada@example.org', type: 'work', primary: true }],
      password: 'is not kept',
    });
    assert.equal(made.status, 201);
    assert.equal(made.headers.etag, 'W/"1"');
    assert.equal(made.headers.location, made.body.meta.location);
    assert.ok(!JSON.stringify(made.body).includes('is not kept'));
    const user = await userOf('ada@example.org');
    assert.deepEqual([user?.displayName, user?.source, user?.disabled], ['Ada Lovelace', 'idp', false]);
    for (const body of [
      { schemas: [userSchema], userName: 'ADA@example.org' },
      { schemas: [userSchema], userName: 'somebody', externalId: 'e-1' },
      { schemas: [userSchema], userName: 'local' },
    ]) {
      const again = await ask('POST', '/Users', body);
      assert.equal(again.status, 409, JSON.stringify(again.body));
      assert.equal(again.body.scimType, 'uniqueness');
    }
    for (const filter of [
      'userName eq "ADA@example.org"',
      'externalId eq "e-1" and active eq true',
      'name.familyName sw "love" or userName eq "nobody"',
      'emails[type eq "work" and value co "@EXAMPLE"]',
      'emails.value eq "ada@example.org"',
      'not (userName pr) or id pr',
      'meta.created gt "2020-01-01T00:00:00Z"',
    ]) {
      const found = await ask('GET', `/Users?filter=${encodeURIComponent(filter)}`);
      assert.equal(found.status, 200, `${filter}: ${JSON.stringify(found.body)}`);
      assert.deepEqual(
        found.body.Resources.map((each: { id: string }) => each.id),
        [made.body.id],
        filter,
      );
    }
    const nobody = await ask('GET', `/Users?filter=${encodeURIComponent('userName eq "grace"')}`);
    assert.deepEqual([nobody.status, nobody.body.totalResults], [200, 0]);
    const unreadable = await ask('GET', `/Users?filter=${encodeURIComponent('password eq "x"')}`);
    assert.deepEqual([unreadable.status, unreadable.body.scimType], [400, 'invalidFilter']);
    assert.equal((await ask('POST', '/Users', '{')).body.scimType, 'invalidSyntax');
    assert.equal((await ask('POST', '/Users', { schemas: [userSchema] })).body.scimType, 'invalidValue');
    assert.equal((await ask('POST', '/Users', ' '.repeat(2 ** 20 + 1))).status, 413);
  });

  it('gives pages, and only what was asked for', async () => {
    for (let n = 0; n < 5; n++) await create(`page-${n}`);
    const filter = encodeURIComponent('userName sw "page-"');
    const first = await ask('GET', `/Users?filter=${filter}&count=2&attributes=userName`);
    const last = await ask('POST', '/Users/.search', {
      filter: 'userName sw "page-"',
      startIndex: 5,
      count: 2,
      attributes: ['userName'],
    });
    assert.deepEqual([first.body.totalResults, first.body.itemsPerPage, last.body.itemsPerPage], [5, 2, 1]);
    assert.deepEqual(Object.keys(first.body.Resources[0]).sort(), ['id', 'meta', 'schemas', 'userName']);
  });

  it('tells a client its mistakes as such, whatever it sends', async () => {
    const id = await create('mistaken');
    for (const there of ['/Users/%C3%A9', '/Groups/%F0%9F%98%80', '/constructor', '/__proto__']) {
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const body = method === 'PATCH' ? { Operations: [{ op: 'remove', path: 'name' }] } : undefined;
        assert.equal((await ask(method, there, body)).status, 404, `${method} ${there}`);
      }
    }
    for (const filter of ['id eq "é"', 'groups.value co "é"', 'constructor eq "x"']) {
      const { status, body } = await ask('GET', `/Users?filter=${encodeURIComponent(filter)}`);
      assert.deepEqual([status, body.scimType], [400, 'invalidFilter'], filter);
    }
    const half = JSON.stringify({ displayName: '\ud800' });
    for (const body of [
      half,
      half.replace('displayName', 'externalId'),
      `{"name":${half.replace('display', 'given')}}`,
    ]) {
      const { status } = await ask('PUT', `/Users/${id}`, body.replace('{', '{"userName":"mistaken",'));
      assert.equal(status, 400, body);
    }
    const stranger = { schemas: [groupSchema], displayName: 'Strangers', members: [{ value: 'é' }] };
    assert.equal((await ask('POST', '/Groups', stranger)).body.scimType, 'invalidValue');
    assert.equal((await ask('POST', '/Users/.search', '{"filter":{"toString":1}}')).status, 400);
  });

  it('changes nothing by a version that is no more', async () => {
    const id = await create('etag');
    const headers = { 'if-match': 'W/"1"' };
    const put = { schemas: [userSchema], userName: 'etag', displayName: 'Second' };
    const second = await ask('PUT', `/Users/${id}`, put, { headers });
    assert.deepEqual([second.status, second.headers.etag], [200, 'W/"2"']);
    assert.equal((await ask('PUT', `/Users/${id}`, put, { headers })).status, 412);
    // The same again is no change.
    assert.equal((await ask('PUT', `/Users/${id}`, put)).headers.etag, 'W/"2"');
    const known = await ask('GET', `/Users/${id}`, undefined, { headers: { 'if-none-match': 'W/"2"' } });
    assert.equal(known.status, 304);
  });

  it('puts users into groups, by way of other groups, too', async () => {
    const id = await create('grace');
    const inner = await ask('POST', '/Groups', {
      schemas: [groupSchema],
      displayName: 'Compilers',
      members: [{ value: id }],
    });
    const outer = await ask('POST', '/Groups', {
      schemas: [groupSchema],
      displayName: 'Engineers',
      members: [{ value: inner.body.id }],
    });
    assert.equal(outer.status, 201);
    assert.deepEqual((await userOf('grace'))?.groups, ['Compilers', 'Engineers']);
    // A circle ends.
    await patch(`/Groups/${inner.body.id}`, {
      op: 'add',
      path: 'members',
      value: [{ value: outer.body.id }],
    });
    assert.deepEqual((await userOf('grace'))?.groups, ['Compilers', 'Engineers']);
    const own = await ask('GET', `/Users/${id}`);
    assert.deepEqual(
      own.body.groups.map((each: { display: string }) => each.display),
      ['Compilers'],
    );
    await patch(`/Groups/${outer.body.id}`, { op: 'replace', path: 'displayName', value: 'Makers' });
    assert.deepEqual((await userOf('grace'))?.groups, ['Compilers', 'Makers']);
    await patch(`/Groups/${inner.body.id}`, { op: 'remove', path: `members[value eq "${id}"]` });
    assert.deepEqual((await userOf('grace'))?.groups, []);
    const unknown = { op: 'add', path: 'members', value: [{ value: 'f'.repeat(32) }] };
    assert.equal((await patch(`/Groups/${inner.body.id}`, unknown)).body.scimType, 'invalidValue');
    assert.equal((await ask('DELETE', `/Groups/${outer.body.id}`)).status, 204);
    const filter = encodeURIComponent('displayName eq "compilers"');
    const found = await ask('GET', `/Groups?filter=${filter}&excludedAttributes=members`);
    assert.deepEqual([found.body.totalResults, found.body.Resources[0].members], [1, undefined]);
    assert.equal((await sources.getSource({ name: 'idp' })).source?.groups, 1);
  });

  it('ends what whoever is deactivated, renamed, regrouped or removed has open', async () => {
    const id = await create('hedy');
    const feed = async (): Promise<string[]> => {
      const rows = await db.read((on) =>
        on
          .selectFrom('revocations')
          .select(['kind', 'subject', 'reason'])
          .where('subject', 'like', 'hedy%')
          .orderBy('position')
          .execute(),
      );
      return rows.map((row) => `${row.kind} ${row.subject}: ${row.reason}`);
    };
    const team = { schemas: [groupSchema], displayName: 'Radio', members: [{ value: id }] };
    assert.equal((await ask('POST', '/Groups', team)).status, 201);
    await patch(`/Users/${id}`, { op: 'replace', value: { active: false } });
    assert.equal((await userOf('hedy'))?.disabled, true);
    const renamed = await patch(`/Users/${id}`, { op: 'Replace', path: 'userName', value: 'hedy.lamarr' });
    assert.equal(renamed.status, 200);
    await assert.rejects(userOf('hedy'), failsAs('NOT_FOUND'));
    assert.deepEqual((await userOf('hedy.lamarr'))?.groups, ['Radio']);
    assert.equal((await ask('DELETE', `/Users/${id}`, undefined, { pod: 1 })).status, 204);
    assert.equal((await ask('DELETE', `/Users/${id}`)).status, 404);
    await assert.rejects(userOf('hedy.lamarr'), failsAs('NOT_FOUND'));
    assert.deepEqual(await feed(), [
      'groups hedy: other groups',
      'user hedy: disabled in idp',
      'user hedy: is hedy.lamarr now',
      'user hedy.lamarr: gone from its directory',
    ]);
  });

  it('stops when more users would lose access within an hour than may, until somebody agrees', async () => {
    await put(sources, 'guarded', { ...pushed, precedence: 20 }, '');
    const { token: bearer } = await sources.createScimToken({ source: 'guarded' });
    const ids: string[] = [];
    for (let n = 0; n < 13; n++) {
      const user = { schemas: [userSchema], userName: `guarded-${n}` };
      ids.push((await ask('POST', '/Users', user, { bearer })).body.id);
    }
    const set = async (n: number, value: boolean): Promise<number> => {
      const Operations = [{ op: 'replace', value: { active: value } }];
      const answer = await ask('PATCH', `/Users/${ids[n]}`, { Operations }, { bearer });
      if (answer.status === 429) assert.match(answer.body.detail, /^SCIM_HELD: guarded .* 10 of 13 users/);
      return answer.status;
    };
    const remove = async (n: number): Promise<number> =>
      (await ask('DELETE', `/Users/${ids[n]}`, undefined, { bearer })).status;
    for (let n = 0; n < 9; n++) assert.equal(await set(n, false), 200);
    assert.equal(await remove(9), 204);
    assert.equal(await set(10, false), 429);
    assert.equal((await userOf('guarded-10'))?.disabled, false);
    assert.equal(await remove(10), 429);
    // What takes nothing away goes on, and whoever is active again counts no more.
    assert.equal(await remove(0), 204);
    assert.equal(await set(1, true), 200);
    assert.equal(await set(1, false), 200);
    assert.equal(await set(11, false), 429);
    const { source } = await sources.getSource({ name: 'guarded' });
    assert.equal(source?.takenLately, 10);
    await put(
      sources,
      'guarded',
      { ...pushed, precedence: 20, maxRemovalPercent: 100 },
      '',
      source?.revision,
    );
    assert.equal(await set(11, false), 200);
    assert.equal(await remove(12), 204);
  });

  it('survives a pod that is killed in the middle: what was answered is there, and the rest can be sent again', async () => {
    const acknowledged: string[] = [];
    let over = false;
    const writing = (async () => {
      for (let n = 0; !over; n++) {
        const name = `killed-${n}`;
        const sent = await ask('POST', '/Users', { schemas: [userSchema], userName: name }, { pod: 1 }).catch(
          () => undefined,
        );
        if (sent?.status !== 201) return name;
        acknowledged.push(name);
      }
      return undefined;
    })();
    await waitFor(() => acknowledged.length > 3, { timeoutMs: 60_000, what: 'users to be made' });
    await podAt(tier, 1).end('SIGKILL');
    over = true;
    const cut = await writing;
    for (const name of acknowledged) assert.equal((await userOf(name))?.source, 'idp');
    if (cut !== undefined) {
      const again = await ask('POST', '/Users', { schemas: [userSchema], userName: cut });
      assert.ok([201, 409].includes(again.status), JSON.stringify(again.body));
      assert.equal((await userOf(cut))?.name, cut);
    }
    await podAt(tier, 1).start();
  });

  it('is no directory to be read, and goes with all its users', async () => {
    await assert.rejects(sync(sources, 'idp'), failsAs('SOURCE_INVALID'));
    const asked = await sync(sources, 'idp', { kind: SyncKind.RETIRE });
    assert.equal(asked.state, SyncState.HELD);
    const done = await sync(sources, 'idp', { kind: SyncKind.RETIRE, confirm: asked.token });
    assert.equal(done.state, SyncState.DONE);
    await assert.rejects(userOf('grace'), failsAs('NOT_FOUND'));
    assert.equal((await ask('GET', '/Users')).status, 401);
    assert.ok((await userOf('local'))?.name);
  });
});
