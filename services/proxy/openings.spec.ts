import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { Openings } from './openings.ts';

const isDeadline = (error: unknown): boolean =>
  error instanceof SallyportError && error.reason === 'DEADLINE';
const never = (): Promise<never> => new Promise(() => undefined);

describe('Openings', () => {
  it('passes on what comes in time, and what fails', async () => {
    const openings = new Openings(new ManualClock());
    assert.equal(await openings.first(Promise.resolve('open')), 'open');
    await assert.rejects(openings.first(Promise.reject(new Error('cut'))), /cut/);
    assert.equal(openings.size, 0);
  });

  it('gives a stream up that says nothing', async () => {
    const clock = new ManualClock();
    const openings = new Openings(clock, { waitMs: 1000 });
    const refused = assert.rejects(openings.first(never()), isDeadline);
    assert.equal(openings.size, 1);
    await clock.advance(1000);
    await refused;
    assert.equal(openings.size, 0);
  });

  it('of too many gives up the one that has waited the longest, not the newcomer', async () => {
    const openings = new Openings(new ManualClock(), { max: 2 });
    const { promise: message, resolve } = Promise.withResolvers<string>();
    const first = assert.rejects(openings.first(never()), isDeadline);
    const second = openings.first(message);
    const third = openings.first(Promise.resolve('third'));
    await first;
    assert.equal(await third, 'third');
    resolve('second');
    assert.equal(await second, 'second');
    assert.equal(openings.size, 0);
  });
});
