import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { held } from './hold.ts';

const { signal } = new AbortController();
const msFor = (deadlineMs: number | undefined): number => held({ deadlineMs, signal }, 1_000_000).deadlineMs;

describe('how long a call is held', () => {
  it('is until shortly before its deadline, and bounded', () => {
    assert.equal(msFor(1_010_000), 9500);
    assert.equal(msFor(1_002_000), 1750);
    assert.equal(msFor(1_000_200), 100);
    assert.equal(msFor(2_000_000), 30_000);
    assert.equal(msFor(999_000), 1);
  });

  it('outlasts a failover when the caller has set none', () => {
    assert.ok(msFor(undefined) >= 10_000 && msFor(undefined) <= 30_000);
    assert.equal(held({ deadlineMs: undefined, signal }).signal, signal);
  });
});
