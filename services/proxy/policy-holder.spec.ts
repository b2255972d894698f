import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { PolicyHolder } from './policy-holder.ts';

const document = JSON.stringify({
  resources: [{ name: 'a', backend: 'b', hosts: ['a.example'], rules: [] }],
});
const never = new AbortController().signal;

describe('the policy of a proxy', () => {
  it('is the newest that any pod told', async () => {
    const holder = new PolicyHolder(new ManualClock(), silentLogger);
    assert.equal(holder.version, 0);
    holder.offer(3, document);
    holder.offer(2, document);
    assert.equal((await holder.atLeast(3, never))?.version, 3);
    assert.equal((await holder.atLeast(1, never))?.version, 3);
  });

  it('is waited for a little while, and never replaced by an older one', async () => {
    const clock = new ManualClock();
    const holder = new PolicyHolder(clock, silentLogger);
    holder.offer(1, document);
    const soon = holder.atLeast(2, never);
    const late = holder.atLeast(3, never);
    await clock.advance(100);
    holder.offer(2, document);
    assert.equal((await soon)?.version, 2);
    await clock.advance(400);
    assert.equal(await late, undefined);
    assert.equal(clock.waiting, 0);
  });

  it('that cannot be compiled leaves the old one, and nobody waits for it', async () => {
    const clock = new ManualClock();
    const holder = new PolicyHolder(clock, silentLogger);
    holder.offer(1, document);
    const waiting = holder.atLeast(2, never);
    holder.offer(2, '{"resources": "all"}');
    assert.equal(await waiting, undefined);
    holder.offer(3, 'no JSON');
    assert.equal(await holder.atLeast(3, never), undefined);
    assert.equal((await holder.atLeast(1, never))?.version, 1);
    holder.offer(4, document);
    assert.equal((await holder.atLeast(3, never))?.version, 4);
  });

  it('is not waited for by what has ended', async () => {
    const clock = new ManualClock();
    const end = new AbortController();
    const waiting = new PolicyHolder(clock, silentLogger).atLeast(1, end.signal);
    end.abort(new SallyportError('SESSION_REVOKED'));
    await assert.rejects(waiting, { reason: 'SESSION_REVOKED' });
    assert.equal(clock.waiting, 0);
  });
});
