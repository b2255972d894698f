import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { seedSchema } from './seed.ts';
import { canonicalUser } from './users.ts';

const passwordHash = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA';
const user = { name: 'ada', passwordHash, groups: ['staff'] };
const accepts = (users: unknown[]) => seedSchema.safeParse({ users }).success;

describe('seed file', () => {
  it('has users with hashes, and perhaps a policy', () => {
    assert.ok(accepts([]));
    assert.ok(accepts([user, { ...user, name: 'bob', displayName: 'Bob' }]));
    assert.ok(seedSchema.safeParse({ users: [user], policy: { resources: [] } }).success);
  });

  it('has no password, no nameless user and none twice', () => {
    assert.ok(!accepts([{ ...user, passwordHash: 'correct horse' }]));
    assert.ok(!accepts([{ ...user, passwordHash: '$argon2id$nonsense' }]));
    assert.ok(!accepts([{ ...user, password: 'correct horse' }]));
    assert.ok(!accepts([{ ...user, name: ' ' }]));
    assert.ok(!accepts([user, { ...user, name: 'ADA' }]));
  });
});

describe('canonicalUser', () => {
  it('takes case, width and space away, once and for all', () => {
    assert.equal(canonicalUser(' Ada '), 'ada');
    assert.equal(canonicalUser('ａｄａ'), 'ada');
    for (const name of ['İstanbul', 'ﬁne', 'Ｅ\u0301', 'ẞ']) {
      assert.equal(canonicalUser(canonicalUser(name)), canonicalUser(name));
    }
  });
});
