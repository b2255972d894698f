import assert from 'node:assert/strict';
import type { Kysely } from 'kysely';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import type { CallOptions, Db } from './db.ts';
import { soonReads } from './read-soon.ts';

/** A member that answers when it is told to, and counts who has given up. */
function member() {
  const answers: PromiseWithResolvers<void>[] = [];
  const state = { asked: 0, givenUp: 0, answers };
  const read = async <T>(fn: (db: Kysely<object>) => Promise<T>, options: CallOptions = {}): Promise<T> => {
    state.asked += 1;
    const answer = Promise.withResolvers<void>();
    answers.push(answer);
    options.signal?.addEventListener('abort', () => {
      state.givenUp += 1;
      answer.reject(new SallyportError('CANCELLED'));
    });
    await answer.promise;
    return fn({} as Kysely<object>);
  };
  return { ...state, state, read: read as Db<object>['read'] };
}

function members() {
  const clock = new ManualClock();
  const [right, behind] = [member(), member()];
  const { readSoon } = soonReads(right, behind, clock);
  const ask = (good = true): Promise<string> =>
    readSoon(async (_, isBehind) => (isBehind ? 'behind' : 'right'), { good: () => good });
  return { clock, right: right.state, behind: behind.state, ask };
}

describe('reads that are not to wait', () => {
  it('are answered by the member that is caught up, and the other is not asked', async () => {
    const { clock, right, behind, ask } = members();
    const answer = ask();
    await clock.advance(100);
    right.answers[0]?.resolve();
    assert.equal(await answer, 'right');
    await clock.advance(1000);
    assert.equal(behind.asked, 0);
  });

  it('are answered by the other when that takes long, sooner the next time', async () => {
    const { clock, right, behind, ask } = members();
    const first = ask();
    await clock.advance(150);
    behind.answers[0]?.resolve();
    assert.equal(await first, 'behind');
    assert.equal(right.givenUp, 1);
    const second = ask();
    await clock.advance(40);
    behind.answers[1]?.resolve();
    assert.equal(await second, 'behind');
    await clock.advance(2000);
    const third = ask();
    await clock.advance(140);
    assert.equal(behind.asked, 2);
    right.answers[2]?.resolve();
    assert.equal(await third, 'right');
  });

  it('wait for the one that knows when the other has no good answer, or fails', async () => {
    const { clock, right, behind, ask } = members();
    const nothing = ask(false);
    await clock.advance(150);
    behind.answers[0]?.resolve();
    await clock.advance(5000);
    right.answers[0]?.resolve();
    assert.equal(await nothing, 'right');
    const failing = ask();
    await clock.advance(150);
    behind.answers[1]?.reject(new Error('gone'));
    right.answers[1]?.reject(new SallyportError('DB_UNAVAILABLE'));
    await assert.rejects(failing, { reason: 'DB_UNAVAILABLE' });
  });

  it('are answered by the other when the one that knows fails meanwhile', async () => {
    const { clock, right, behind, ask } = members();
    const answer = ask();
    await clock.advance(150);
    right.answers[0]?.reject(new SallyportError('DB_UNAVAILABLE'));
    await clock.advance(10);
    behind.answers[0]?.resolve();
    assert.equal(await answer, 'behind');
  });
});
