import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { OneChange } from './one-change.ts';

const reason = (wanted: string) => (error: unknown) => SallyportError.from(error).reason === wanted;

describe('one change at a time', () => {
  it('refuses a second one and names the first, and takes the next when that has ended', async () => {
    const changing = new OneChange(() => {});
    const { promise, resolve } = Promise.withResolvers<string>();
    const first = changing.run('pods are restarted', {}, () => promise);
    await assert.rejects(
      changing.run('it is scaled', {}, async () => 'no'),
      (error) => reason('CHANGE_UNDER_WAY')(error) && /pods are restarted/.test(String(error)),
    );
    resolve('done');
    assert.equal(await first, 'done');
    assert.equal(await changing.run('it is scaled', {}, async () => 'yes'), 'yes');
  });

  it('is free again after a change that failed', async () => {
    const changing = new OneChange(() => {});
    const failing = changing.run('a', {}, async () => {
      throw new SallyportError('START_FAILED');
    });
    await assert.rejects(failing, reason('START_FAILED'));
    assert.equal(changing.underWay, undefined);
  });

  it('gives up what goes on when the mesh stops, waits for it, and begins nothing more', async () => {
    const changing = new OneChange(() => {});
    let ended = false;
    const first = changing.run('a', {}, async ({ signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      ended = true;
      signal.throwIfAborted();
    });
    const given = assert.rejects(first, reason('CANCELLED'));
    await changing.close();
    assert.ok(ended);
    await given;
    await assert.rejects(
      changing.run('b', {}, async () => {}),
      reason('CANCELLED'),
    );
  });

  it('tells who asked what happens, else the runner', async () => {
    const told: string[] = [];
    const changing = new OneChange((line) => told.push(`runner ${line}`));
    await changing.run('a', {}, async ({ progress }) => progress('1'));
    await changing.run('a', { progress: (line) => told.push(`cli ${line}`) }, async ({ progress }) =>
      progress('2'),
    );
    assert.deepEqual(told, ['runner 1', 'cli 2']);
  });
});
