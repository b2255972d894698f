import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { askElsewhere } from './ask-elsewhere.ts';

describe('asking elsewhere', () => {
  const lost = (to: string): Promise<never> =>
    Promise.reject(new SallyportError('UNAVAILABLE', { message: `${to} is lost` }));

  it('asks whoever is next, until one answers', async () => {
    const asked: string[] = [];
    const answer = await askElsewhere<string, string>(
      'a',
      (to) => {
        asked.push(to);
        return to === 'c' ? Promise.resolve('yes') : lost(to);
      },
      (_, { to }) => (to === 'a' ? 'b' : 'c'),
    );
    assert.equal(answer, 'yes');
    assert.deepEqual(asked, ['a', 'b', 'c']);
  });

  it('ends with the last word when nobody is next', async () => {
    const tried: number[] = [];
    const given = askElsewhere<string, never>('a', lost, (error, { tries }) => {
      assert.equal(error.reason, 'UNAVAILABLE');
      tried.push(tries);
      return tries < 2 ? 'b' : undefined;
    });
    await assert.rejects(given, /b is lost/);
    assert.deepEqual(tried, [1, 2]);
  });
});
