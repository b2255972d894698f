import assert from 'node:assert/strict';
import { Kysely, MysqlDialect } from 'kysely';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import type { SecurityTables } from '../store/tables.ts';
import { fits, parseFilter } from './filter.ts';
import { filterCondition } from './filter-sql.ts';
import { patched } from './patch.ts';
import { readResource } from './read.ts';
import { attributesOf, type JsonObject, kindAt, normalise } from './schema.ts';
import { refuseScim, scimError } from './scim-error.ts';

const user = attributesOf.User;
const patch = (before: JsonObject, ...operations: JsonObject[]) =>
  patched(user, before, {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations: operations,
  });
const refuses = (type: string, run: () => unknown): void => {
  assert.throws(run, (error: unknown) => SallyportError.from(error).metadata.scimType === type);
};

describe('SCIM filters', () => {
  it('bind and before or, and not to what stands in parentheses', () => {
    assert.deepEqual(parseFilter('userName eq "a" or active eq true and not (externalId sw "x")'), {
      is: 'or',
      all: [
        { is: 'eq', path: 'userName', value: 'a' },
        {
          is: 'and',
          all: [
            { is: 'eq', path: 'active', value: true },
            { is: 'not', not: { is: 'sw', path: 'externalId', value: 'x' } },
          ],
        },
      ],
    });
  });

  it('are known with the name of the schema, in any case, and with quotes in their values', () => {
    const path = 'urn:ietf:params:scim:schemas:core:2.0:User:name.familyName';
    assert.deepEqual(parseFilter(`${path} CO "O\\"Neil) or x"`), {
      is: 'co',
      path: 'name.familyName',
      value: 'O"Neil) or x',
    });
    assert.deepEqual(parseFilter('emails[type eq "work" and value pr]'), {
      is: 'some',
      path: 'emails',
      of: {
        is: 'and',
        all: [
          { is: 'eq', path: 'type', value: 'work' },
          { is: 'present', path: 'value' },
        ],
      },
    });
  });

  it('are refused when they cannot be read, or are too much', () => {
    for (const text of [
      '',
      'userName',
      'userName eq',
      'userName eq a',
      'userName like "a"',
      '(userName eq "a"',
      'userName eq "a" and',
      'userName eq "a" "b"',
      '"a" eq "b"',
      `${'('.repeat(30)}active pr${')'.repeat(30)}`,
      `userName eq "${'x'.repeat(1000)}"`,
      'not active pr',
    ]) {
      refuses('invalidFilter', () => parseFilter(text));
    }
    refuses('invalidFilter', () => filterCondition('User', 'password eq "x"'));
    for (const name of [
      'constructor',
      '__proto__',
      'emails.constructor',
      'emails[toString',
      'toString[value',
    ]) {
      const text = `${name} eq "x"${name.includes('[') ? ']' : ''}`;
      refuses('invalidFilter', () => filterCondition('User', text));
    }
    for (const text of ['id eq "é"', 'groups.value ne "é"', 'userName eq "\\ud800"']) {
      refuses('invalidFilter', () => filterCondition('User', text));
    }
    refuses('invalidFilter', () => filterCondition('User', 'active gt true'));
    refuses('invalidFilter', () => filterCondition('Group', 'userName eq "x"'));
  });

  it('look at values without regard to case, unless the attribute says so', () => {
    const emails = user.find(({ name }) => name === 'emails')?.sub ?? [];
    assert.ok(fits(parseFilter('TYPE eq "Work"'), { type: 'work' }, emails));
    assert.ok(!fits(parseFilter('type ne "work" or primary eq true'), { type: 'WORK' }, emails));
  });
});

describe('SCIM PATCH', () => {
  const before = {
    userName: 'ada',
    active: true,
    name: { givenName: 'Ada', familyName: 'Byron' },
    emails: [
      { value: 'ada@a.example', type: 'work' },
      { value: 'ada@b.example', type: 'home' },
    ],
  };

  it('replaces, adds and removes what a path names, and leaves what it was given as it was', () => {
    const copy = structuredClone(before);
    const after = patch(
      before,
      { op: 'replace', path: 'name.familyName', value: 'Lovelace' },
      {
        op: 'add',
        path: 'emails',
        value: [{ value: 'ada@c.example' }, { value: 'ada@a.example', type: 'work' }],
      },
      { op: 'remove', path: 'emails[type eq "home"]' },
      { op: 'add', path: 'displayName', value: 'Countess' },
    );
    assert.deepEqual(before, copy);
    assert.deepEqual(after, {
      userName: 'ada',
      active: true,
      name: { givenName: 'Ada', familyName: 'Lovelace' },
      emails: [{ value: 'ada@a.example', type: 'work' }, { value: 'ada@c.example' }],
      displayName: 'Countess',
    });
  });

  it('takes what Microsoft Entra sends', () => {
    assert.equal(patch(before, { op: 'Replace', path: 'active', value: 'False' }).active, false);
    assert.deepEqual(patch(before, { op: 'Add', value: { 'name.givenName': 'A.', displayName: 'A. L.' } }), {
      ...before,
      name: { givenName: 'A.', familyName: 'Byron' },
      displayName: 'A. L.',
    });
    assert.deepEqual(
      patch({ userName: 'x' }, { op: 'Add', path: 'emails[type eq "work"].value', value: 'x@a' }),
      {
        userName: 'x',
        emails: [{ type: 'work', value: 'x@a' }],
      },
    );
    const extension = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department';
    assert.deepEqual(patch(before, { op: 'Add', path: extension, value: 'R&D' }), before);
    const members = [{ value: 'a' }, { value: 'b' }];
    const group = patched(
      attributesOf.Group,
      { displayName: 'g', members },
      { Operations: [{ op: 'Remove', path: 'members', value: [{ value: 'a' }] }] },
    );
    assert.deepEqual(group.members, [{ value: 'b' }]);
  });

  it('costs little for members by name, whatever the group, and no more than so much for others', () => {
    const ids = Array.from({ length: 20_000 }, (_, n) => n.toString(16).padStart(32, '0'));
    const change = (...Operations: JsonObject[]) =>
      patched(
        attributesOf.Group,
        { displayName: 'g', members: ids.map((value) => ({ value })) },
        { Operations },
      );
    const named = (n: number): string => `value eq "${ids[n]}"`;
    const some = Array.from({ length: 500 }, (_, n) => n);
    const { members } = change(
      ...some.map((n) => ({ op: 'remove', path: `members[${named(2 * n)} or ${named(2 * n + 1)}]` })),
      ...some.map((n) => ({ op: 'add', path: 'members', value: [{ value: ids[n] ?? '' }] })),
    );
    assert.deepEqual(
      members,
      [...ids.slice(1000), ...ids.slice(0, 500)].map((value) => ({ value })),
    );
    refuses('tooMany', () =>
      change(...some.map((n) => ({ op: 'remove', path: `members[value sw "x${n}"]` }))),
    );
    const anything = some.slice(0, 20).map((n) => `value eq "${ids[n]}"`);
    refuses('tooMany', () =>
      change(
        ...some.slice(0, 20).map((n) => ({
          op: 'remove',
          path: `members[${anything.slice(0, 15).join(' or ')} or value sw "x${n}"]`,
        })),
      ),
    );
    // Neither does it help to go to and fro between the two ways.
    refuses('tooMany', () =>
      change(
        ...some.flatMap((n) => [
          { op: 'remove', path: `members[${named(n)}]` },
          { op: 'remove', path: 'members[value sw "x"]' },
        ]),
      ),
    );
  });

  it('leaves no more values than a resource may have, and lets some be taken from too many', () => {
    const more = (from: number, count: number) => ({
      op: 'add',
      path: 'emails',
      value: Array.from({ length: count }, (_, n) => ({ value: `${from + n}@a` })),
    });
    refuses('tooMany', () => patch({ userName: 'x' }, more(0, 15), more(15, 6)));
    const full = patch({ userName: 'x' }, more(0, 15), more(15, 6), {
      op: 'remove',
      path: 'emails[value eq "3@A"]',
    });
    assert.equal((full.emails as unknown[]).length, 20);
    refuses('tooMany', () =>
      patch(full, { op: 'add', path: 'emails[type eq "work"].value', value: 'one more' }),
    );
    const over = Array.from({ length: 25 }, (_, n) => ({ value: `${n}@a` }));
    const fewer = patch(
      { userName: 'x', emails: over },
      { op: 'remove', path: 'emails', value: [{ value: '0@a' }] },
    );
    assert.deepEqual(fewer.emails, over.slice(1));
  });

  it('keeps two values that are the same, at home and at work, when one is changed or another removed', () => {
    const emails = [
      { value: 'a@a', type: 'home' },
      { value: 'a@a', type: 'work' },
      { value: 'b@a', type: 'other' },
    ];
    const after = patch(
      { userName: 'x', emails },
      { op: 'remove', path: 'emails', value: [{ value: 'b@a' }] },
      { op: 'replace', path: 'emails[type eq "work"].value', value: 'c@a' },
    );
    assert.deepEqual(after.emails, [emails[0], { value: 'c@a', type: 'work' }]);
  });

  it('refuses what it cannot do', () => {
    refuses('invalidSyntax', () => patch(before, { op: { toString: 1 }, path: 'active' }));
    refuses('invalidSyntax', () => patched(user, before, {}));
    refuses('invalidSyntax', () => patch(before, { op: 'move', path: 'active' }));
    refuses('noTarget', () => patch(before, { op: 'remove' }));
    refuses('noTarget', () =>
      patch(before, { op: 'replace', path: 'emails[value sw "z"].type', value: 'x' }),
    );
    refuses('invalidPath', () => patch(before, { op: 'add', path: 'na me', value: 'x' }));
    refuses('mutability', () => patch(before, { op: 'replace', path: 'id', value: 'x' }));
    refuses('invalidValue', () => patch(before, { op: 'remove', path: 'userName' }));
    refuses('invalidValue', () => patch(before, { op: 'replace', path: 'active', value: 'maybe' }));
    refuses('invalidValue', () => patch(before, { op: 'replace', path: 'displayName', value: 'a\u0007b' }));
  });
});

describe('SCIM resources', () => {
  it('keep what is known here, spelt as the schema has it, and nothing else', () => {
    assert.deepEqual(
      normalise(user, {
        USERNAME: 'ada',
        password: 'secret',
        title: 'Countess',
        Active: 'True',
        groups: [{ value: 'admins' }],
        emails: [],
        nickName: null,
      }),
      { userName: 'ada', active: true },
    );
  });

  it('have whole characters in their text', () => {
    for (const half of ['\ud800', 'a\udc00', '\udc00\ud800']) {
      for (const given of [{ displayName: half }, { externalId: half }, { name: { givenName: half } }]) {
        refuses('invalidValue', () => normalise(user, given));
      }
    }
    assert.deepEqual(normalise(user, { displayName: 'Ada 👩🏽‍💻' }), { displayName: 'Ada 👩🏽‍💻' });
  });

  it('are at the two endpoints, and nowhere else', () => {
    assert.deepEqual(['Users', 'GROUPS'].map(kindAt), ['User', 'Group']);
    for (const other of ['', 'User', 'constructor', '__proto__', 'toString']) {
      assert.equal(kindAt(other), undefined, other);
    }
  });

  it('are asked for by nothing that cannot be an id', async () => {
    const db = new Kysely<SecurityTables>({ dialect: new MysqlDialect({ pool: async () => assert.fail() }) });
    for (const id of ['é', '😀', 'A'.repeat(32), 'f'.repeat(33), 'f']) {
      await assert.rejects(readResource(db, 'idp', 'User', id), { reason: 'NOT_FOUND' });
    }
  });

  it('tell errors as RFC 7644 has them, and of faults in here nothing', () => {
    const told = refuseScim(scimError('uniqueness', 'there is one'));
    assert.equal(told.status, 409);
    assert.deepEqual(JSON.parse(told.body), {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
      status: '409',
      scimType: 'uniqueness',
      detail: 'ALREADY_EXISTS: there is one',
    });
    const fault = refuseScim(new SallyportError('INTERNAL', { message: 'a secret' }));
    assert.equal(fault.status, 500);
    assert.ok(!fault.body.includes('secret'));
  });
});
