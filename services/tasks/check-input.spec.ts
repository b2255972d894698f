import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { checkInput } from './check-input.ts';
import type { Json } from './engine/json.ts';

const reasonOf = (kind: string, input: Json): string => {
  try {
    checkInput(kind, input);
    return 'taken';
  } catch (error) {
    return SallyportError.from(error).reason;
  }
};

describe('the input of a task', () => {
  const good = { user: 'anna', group: 'finance', reason: 'the audit', duration: '86400s' };

  it('is looked at before there is a task', () => {
    assert.equal(reasonOf('access-request', good), 'taken');
    assert.equal(reasonOf('access-request', {}), 'INVALID_FIELD');
    assert.equal(reasonOf('access-request', null), 'MALFORMED');
    assert.equal(reasonOf('onboarding', []), 'MALFORMED');
    assert.equal(reasonOf('onboarding', { user: 1 }), 'MALFORMED');
    assert.equal(reasonOf('onboarding', { user: '\ud800' }), 'MALFORMED');
    assert.equal(reasonOf('report', { of: 'nope' }), 'INVALID_FIELD');
    assert.equal(reasonOf('report', { of: 'users' }), 'taken');
    assert.equal(reasonOf('rotate-keys', null), 'taken');
  });

  it('of a kind that does not ship is its worker’s business', () => {
    assert.equal(reasonOf('anything', { of: 'nope' }), 'taken');
    assert.equal(reasonOf('constructor', null), 'taken');
  });
});
