import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { askInTurn } from './ask-in-turn.ts';

describe('asking in turn', () => {
  it('goes from one to the next, and round again', async () => {
    const clock = new ManualClock();
    const asked: string[] = [];
    const times: number[] = [];
    const answer = askInTurn(['a', 'b'], 'pod', clock, async (place, tryMs) => {
      asked.push(place);
      times.push(tryMs);
      if (asked.length < 4) throw new SallyportError(asked.length < 3 ? 'UNAVAILABLE' : 'DB_OUTCOME_UNKNOWN');
      return place;
    });
    await clock.advance(1000);
    assert.equal(await answer, 'b');
    assert.deepEqual(asked, ['a', 'b', 'a', 'b']);
    // One that holds a call in vain has less time while others may have the answer.
    assert.deepEqual(times, [5000, 5000, 10_000, 10_000]);
  });

  it('takes an answer for an answer, and gives up some time', async () => {
    const clock = new ManualClock();
    const refuse = async (): Promise<never> => Promise.reject(new SallyportError('NOT_FOUND'));
    await assert.rejects(askInTurn(['a', 'b'], 'pod', clock, refuse), /no such thing/);
    const silent = async (): Promise<never> => Promise.reject(new SallyportError('UNAVAILABLE'));
    const given = assert.rejects(askInTurn(['a'], 'pod', clock, silent), /cannot answer/);
    for (let i = 0; i < 90; i++) await clock.advance(250);
    await given;
    await assert.rejects(askInTurn([], 'pod', clock, silent), /there is no pod to ask/);
  });

  it('tells in the end what a pod has answered, not that the next one is away', async () => {
    const clock = new ManualClock();
    const ask = (place: string): Promise<never> =>
      Promise.reject(
        place === 'lives'
          ? new SallyportError('DB_UNAVAILABLE', { retryAfterMs: 5000 })
          : new SallyportError('UNAVAILABLE', { message: 'no healthy upstream', retryAfterMs: 100 }),
      );
    const given = assert.rejects(askInTurn(['lives', 'dead'], 'pod', clock, ask), {
      reason: 'DB_UNAVAILABLE',
      retryAfterMs: 5000,
    });
    for (let i = 0; i < 90; i++) await clock.advance(250);
    await given;
  });
});
