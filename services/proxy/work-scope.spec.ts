import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { givenAttachment } from './test/given.ts';
import { WorkScope } from './work-scope.ts';

describe('a work scope', () => {
  it('is given up once, for the first reason, and tells those who still want to know', () => {
    const scope = new WorkScope();
    const told: string[] = [];
    scope.onGivenUp(() => told.push('one'));
    scope.onGivenUp(() => told.push('two'))();
    scope.assertGoing();
    scope.giveUp(new Error('first'));
    scope.giveUp(new Error('second'));
    assert.deepEqual(told, ['one']);
    assert.throws(() => scope.assertGoing(), /first/);
    scope.onGivenUp(() => told.push('late'));
    assert.deepEqual(told, ['one', 'late']);
  });

  it('ends with its attachment, also with one that has ended before', () => {
    const attachment = givenAttachment(new ManualClock());
    const [over, under] = [new WorkScope(), new WorkScope()];
    attachment.use(over)();
    const done = attachment.use(under);
    attachment.end(new SallyportError('SESSION_REVOKED'));
    assert.equal(over.givenUp, false);
    assert.equal(SallyportError.from(under.reason).reason, 'SESSION_REVOKED');
    const late = new WorkScope();
    attachment.use(late);
    assert.equal(late.givenUp, true);
    done();
  });
});
