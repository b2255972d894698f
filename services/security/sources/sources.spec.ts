import assert from 'node:assert/strict';
import { create } from '@bufbuild/protobuf';
import type { Entry } from 'ldapts';
import { describe, it } from 'mocha';
import { SourceSettingsSchema } from '#gen/sallyport/directory/v1/sources_pb.js';
import type { Dialect } from './dialect.ts';
import { comparableDn, type KnownUser, readUser, type UserEntry } from './entries.ts';
import { knownAfter, leftAs } from './left.ts';
import { type GroupEntry, membership } from './membership.ts';
import { allowedTakings, planChanges, takings, tokenFor } from './plan.ts';
import { earlier } from './read-changes.ts';
import { effective, mayRunOn } from './settings.ts';
import { isLater, withoutDoubles } from './snapshot.ts';

const idOf = (n: number): string => n.toString(16).padStart(32, '0');
const packed = (...ids: number[]): Buffer => Buffer.concat(ids.map((n) => Buffer.from(idOf(n), 'hex')));
const group = (n: number, name: string, ...members: number[]): GroupEntry => ({
  id: idOf(n),
  name,
  dn: `cn=${name}`,
  members: packed(...members),
});
const known = (n: number, name: string, more: Partial<KnownUser> = {}): KnownUser => ({
  id: idOf(n),
  name,
  dn: `uid=${name}`,
  displayName: name,
  disabled: false,
  groups: '[]',
  ...more,
});
const byId = <T extends { id: string }>(...all: T[]): Map<string, T> =>
  new Map(all.map((each) => [each.id, each]));

const there = (users: ReadonlyMap<string, UserEntry>, ...unreadable: string[]) => ({
  users,
  unreadable: new Set(unreadable),
});

describe('groups in groups', () => {
  it('count for whoever is in the inner ones, also where they hold each other', () => {
    const groupsOf = membership([
      group(100, 'staff', 101),
      group(101, 'payroll', 1, 102),
      group(102, 'clerks', 2, 100),
      group(103, 'others', 3),
    ]);
    assert.deepEqual(groupsOf(idOf(1)), ['clerks', 'payroll', 'staff']);
    assert.deepEqual(groupsOf(idOf(2)), ['clerks', 'payroll', 'staff']);
    assert.deepEqual(groupsOf(idOf(3)), ['others']);
    assert.deepEqual(groupsOf(idOf(4)), []);
  });

  it('that take the name of another are not taken', () => {
    const problems: string[] = [];
    const old = group(1, 'payroll', 7);
    const found = withoutDoubles(byId(group(2, 'payroll', 8), old), byId(old), problems);
    assert.deepEqual([...found.keys()], [idOf(1)]);
    assert.equal(problems.length, 1);
  });
});

describe('a plan', () => {
  it('tells renames, disablings, changes, removals and additions apart', async () => {
    const before = byId(known(1, 'ada'), known(2, 'bob'), known(3, 'cy'), known(4, 'di'), known(5, 'ed'));
    const now = byId(
      known(1, 'ada'),
      known(2, 'robert'),
      known(3, 'cy', { disabled: true }),
      known(4, 'di', { dn: 'uid=di,ou=elsewhere' }),
      known(6, 'flo'),
    );
    const { changes, problems } = await planChanges(before, there(now), new Set(), (id) =>
      id === idOf(1) ? ['x'] : [],
    );
    assert.deepEqual(
      changes.map(({ action, known: was, wanted }) => `${action} ${was?.name} ${wanted?.name}`),
      [
        'disable cy cy',
        'remove ed undefined',
        'rename bob robert',
        'change ada ada',
        'note di di',
        'add undefined flo',
      ],
    );
    assert.deepEqual(problems, []);
  });

  it('removes nobody whose entry is there but cannot be read', async () => {
    const plan = await planChanges(byId(known(1, 'ada')), there(new Map(), idOf(1)), new Set(), () => []);
    assert.deepEqual(plan.changes, []);
  });

  it('leaves a name to whom it was, and a user of too many groups as he is', async () => {
    const before = byId(known(2, 'ada'));
    const now = byId(known(1, 'ada'), known(2, 'ada'), known(3, 'bob'));
    const many = Array.from({ length: 101 }, (_, n) => `g${n}`);
    const plan = await planChanges(before, there(now), new Set(), (id) => (id === idOf(3) ? many : []));
    assert.deepEqual(plan.changes, []);
    assert.equal(plan.problems.length, 2);
  });

  it('is confirmed by a token for these very users', async () => {
    const plan = async (...left: number[]) =>
      planChanges(
        byId(known(1, 'ada'), known(2, 'bob'), known(3, 'cy')),
        there(byId(...left.map((n) => known(n, ['', 'ada', 'bob', 'cy'][n] ?? '')))),
        new Set(),
        () => [],
      );
    assert.equal(takings(await plan(1)).length, 2);
    assert.equal(tokenFor('hq', await plan(1)), tokenFor('hq', await plan(1)));
    assert.notEqual(tokenFor('hq', await plan(1)), tokenFor('hq', await plan(2)));
    assert.equal(allowedTakings(50_000, 5), 2500);
    assert.equal(allowedTakings(3, 5), 1);
    assert.equal(allowedTakings(3, 0), 0);
  });
});

describe('an entry', () => {
  const openLdap: Dialect = {
    vendor: 'OpenLDAP',
    activeDirectory: false,
    idAttribute: 'entryUUID',
    changeAttribute: 'entryCSN',
    server: '',
  };
  const ad: Dialect = {
    ...openLdap,
    activeDirectory: true,
    idAttribute: 'objectGUID',
    changeAttribute: 'uSNChanged',
  };
  const uuid = '00000000-0000-0000-0000-000000000001';
  const read = (entry: Omit<Entry, 'dn'>, dialect = openLdap) =>
    readUser({ dn: 'uid=x', ...entry }, dialect, effective(create(SourceSettingsSchema), dialect));

  it('is a user with its canonical name, whatever case the server writes attributes in', () => {
    const user = read({ ENTRYUUID: uuid, UID: 'Ada', cn: 'Ada L' });
    assert.deepEqual(user, { id: idOf(1), name: 'ada', dn: 'uid=x', displayName: 'Ada L', disabled: false });
  });

  it('that is not as a user should be is a problem, and no exception', () => {
    for (const strange of [
      { uid: 'ada' },
      { entryUUID: uuid },
      { entryUUID: uuid, uid: ['ada', 'bob'] },
      { entryUUID: uuid, uid: 'a/b' },
      { entryUUID: uuid, uid: Buffer.from([0xff]) },
      { entryUUID: uuid, uid: 'x'.repeat(129) },
      { entryUUID: 'nonsense', uid: 'ada' },
    ]) {
      assert.equal(typeof read(strange), 'string', JSON.stringify(strange));
    }
  });

  it('of Active Directory says by a bit that it is disabled', () => {
    const entry = { objectGUID: Buffer.from(idOf(9), 'hex'), sAMAccountName: 'ada' };
    const disabledBy = (userAccountControl: string) => {
      const user = read({ ...entry, userAccountControl }, ad);
      return typeof user === 'string' ? user : user.disabled;
    };
    assert.equal(disabledBy('512'), false);
    assert.equal(disabledBy('514'), true);
  });

  it('has one spelling of its DN, and change numbers an order', () => {
    assert.equal(comparableDn('CN=A, OU = B,dc=c'), comparableDn('cn=a,ou=b,DC=C'));
    assert.ok(isLater('10', '9'));
    assert.ok(
      isLater('20261127130000.000002Z#000000#000#000000', '20261127130000.000001Z#000001#000#000000'),
    );
    assert.ok(!isLater('', ''));
    assert.equal(
      earlier('20261127000002.123456Z#000004#001#000000'),
      '20261126235957.000000Z#000000#000#000000',
    );
  });
});

describe('where a source runs', () => {
  const here = ['sec-0', 'host-a'];

  it('is anywhere, or on the pods and hosts that are named', () => {
    for (const [list, may] of [
      [[], true],
      [['localhost'], true],
      [['sec-0'], true],
      [['host-b', 'host-a'], true],
      [['elsewhere', 'localhost'], true],
      [['elsewhere'], false],
      [['sec-00', 'host'], false],
    ] as const) {
      // As `sources.hosts` of the pod, and as the source's own.
      assert.equal(mayRunOn(here, list, []), may, `${list}`);
      assert.equal(mayRunOn(here, [], list), may, `${list}`);
    }
  });

  it('is where both the pod and the source allow', () => {
    assert.equal(mayRunOn(here, ['sec-0'], ['elsewhere']), false);
    assert.equal(mayRunOn(here, ['elsewhere'], ['sec-0']), false);
    assert.equal(mayRunOn(here, ['host-a'], ['sec-0']), true);
  });
});

describe('what a synchronisation leaves for the next', () => {
  it('is what the database then has', () => {
    const [anna, bob, carl] = [known(1, 'anna'), known(2, 'bob'), known(3, 'carl')];
    const before = {
      users: new Map([anna, bob].map((each) => [each.id, each])),
      groups: new Map([group(7, 'old', 1), group(8, 'kept', 2)].map((each) => [each.id, each])),
    };
    const renamed = { ...anna, name: 'anne' };
    const after = knownAfter(
      before,
      [
        { action: 'rename', known: anna, wanted: renamed },
        { action: 'remove', known: bob, wanted: undefined },
        { action: 'add', known: undefined, wanted: carl },
      ],
      { gone: [idOf(7)], changed: [group(8, 'kept', 1, 3)] },
    );
    assert.deepEqual([...after.users.values()], [renamed, carl]);
    assert.deepEqual([...after.groups.values()], [group(8, 'kept', 1, 3)]);
    assert.deepEqual([before.users.size, before.groups.size], [2, 2]);
  });

  it('is told apart by how far the source was read', () => {
    const far = { stamp: { server: '', last: 'a', context: 'b' }, fullMs: 1, listedMs: 2 };
    const others = [
      leftAs('ad', far),
      leftAs('hq', { ...far, stamp: { ...far.stamp, last: 'c' } }),
      leftAs('hq', { ...far, stamp: { ...far.stamp, context: 'c' } }),
      leftAs('hq', { ...far, stamp: undefined }),
      leftAs('hq', { ...far, fullMs: null }),
      leftAs('hq', { ...far, listedMs: 3 }),
    ];
    // The database may give a stamp in another order.
    const again = { ...far, stamp: { context: 'b', last: 'a', server: '' } };
    assert.equal(leftAs('hq', again), leftAs('hq', far));
    assert.equal(new Set([leftAs('hq', far), ...others]).size, others.length + 1);
  });
});
