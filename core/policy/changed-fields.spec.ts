import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { changedFields } from './changed-fields.ts';

describe('what differs between two documents', () => {
  const before = {
    name: 'payroll',
    hosts: ['a.example'],
    rules: [
      { name: 'hr', groups: ['hr'] },
      { name: 'audit', groups: ['audit'], methods: ['GET'] },
    ],
  };

  it('is told field by field, rules by their names', () => {
    const after = {
      name: 'payroll',
      hosts: ['a.example', 'b.example'],
      rules: [
        { name: 'audit', groups: ['audit'] },
        { name: 'hr', groups: ['hr', 'boss'] },
      ],
    };
    assert.deepEqual(changedFields(before, after), [
      { path: 'hosts', before: ['a.example'], after: ['a.example', 'b.example'] },
      { path: 'rules.hr.groups', before: ['hr'], after: ['hr', 'boss'] },
      { path: 'rules.audit.methods', before: ['GET'], after: undefined },
    ]);
  });

  it('is a whole rule where one is new or gone, and the list where rules have one name', () => {
    const [hr] = before.rules;
    const twice = [hr, hr];
    assert.deepEqual(changedFields(before, { ...before, rules: [hr] }), [
      { path: 'rules.audit', before: before.rules[1], after: undefined },
    ]);
    assert.deepEqual(changedFields(before, { ...before, rules: twice }), [
      { path: 'rules', before: before.rules, after: twice },
    ]);
    assert.deepEqual(changedFields(before, structuredClone(before)), []);
  });
});
