import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { fits, parseFilter } from './filter.ts';
import { filterCondition } from './filter-sql.ts';
import { patched } from './patch.ts';
import { attributesOf, type JsonObject, normalise } from './schema.ts';
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

  it('refuses what it cannot do', () => {
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
