import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { type Loopback, openLoopback } from './loopback.ts';

describe('the listener to which a browser comes back', () => {
  const clock = new ManualClock();
  const { signal } = new AbortController();
  let loopback: Loopback;
  beforeEach(async () => {
    loopback = await openLoopback(0, clock);
  });
  afterEach(() => loopback.close());

  const visit = async (query: string, init?: RequestInit): Promise<number> => {
    const response = await fetch(`${loopback.redirectUri}${query}`, init);
    await response.text();
    return response.status;
  };

  it('takes the one request with its state, and no other', async () => {
    assert.equal(await visit('?state=mine&code=early'), 404);
    const answer = loopback.answerTo('mine', { waitMs: 1000, signal });
    assert.equal(await visit('?state=other&code=wrong'), 404);
    assert.equal(await visit('?state=mine&code=posted', { method: 'POST' }), 404);
    assert.equal(await visit('?state=mine&code=right'), 200);
    assert.equal(await answer, `${loopback.redirectUri}?state=mine&code=right`);
    assert.equal(await visit('?state=mine&code=late'), 404);
  });

  it('waits no longer than it was told to', async () => {
    const late = assert.rejects(loopback.answerTo('mine', { waitMs: 1000, signal }), /within 1 s/);
    await clock.advance(1000);
    await late;
    assert.equal(await visit('?state=mine&code=late'), 404);
  });

  it('is interrupted', async () => {
    const interrupt = new AbortController();
    const answer = loopback.answerTo('mine', { waitMs: 1000, signal: interrupt.signal });
    interrupt.abort(new Error('Ctrl-C'));
    await assert.rejects(answer, /Ctrl-C/);
  });
});
