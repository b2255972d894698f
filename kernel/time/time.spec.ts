import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { backoff } from './backoff.ts';
import { elapsed, instant } from './clock.ts';
import { withDeadline } from './deadline.ts';
import { ManualClock } from './manual-clock.ts';
import { systemClock } from './system-clock.ts';
import { waitFor } from './wait-for.ts';

describe('time', () => {
  it('elapsed takes the larger of both scales and is never negative', async () => {
    const clock = new ManualClock();
    const start = instant(clock);
    await clock.advance(1000);
    assert.equal(elapsed(clock, start), 1000);
    clock.jumpWall(-5000);
    assert.equal(elapsed(clock, start), 1000);
    clock.jumpWall(65_000);
    assert.equal(elapsed(clock, start), 61_000);
    clock.jumpWall(-1_000_000);
    assert.equal(elapsed(clock, { wall: clock.now() + 5, monotonic: clock.monotonic() + 5 }), 0);
  });

  it('the manual clock runs what falls due in order, also what is armed on the way', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    const at = (name: string): void => void seen.push(`${name}@${clock.monotonic()}`);
    clock.setTimer(30, () => at('c'));
    clock.setTimer(10, () => {
      at('a');
      clock.setTimer(10, () => at('b'));
    });
    const ticks = clock.setRepeating(20, () => at('tick'));
    const cancelled = clock.setTimer(5, () => at('never'));
    cancelled.cancel();
    await clock.advance(50);
    ticks.cancel();
    assert.deepEqual(seen, ['a@10', 'tick@20', 'b@20', 'c@30', 'tick@40']);
    assert.equal(clock.waiting, 0);
  });

  it('sleepers wake, and an aborted sleep rejects with the reason', async () => {
    for (const clock of [new ManualClock(), systemClock]) {
      const end = new AbortController();
      const sleeping = clock.sleep(3_000_000_000, end.signal);
      end.abort(new Error('enough'));
      await assert.rejects(sleeping, /enough/);
      await assert.rejects(clock.sleep(1, AbortSignal.abort(new Error('before'))), /before/);
    }
    await systemClock.sleep(1);
  });

  it('withDeadline gives the result, the failure, or DEADLINE naming what it was', async () => {
    const clock = new ManualClock();
    assert.equal(await withDeadline(Promise.resolve(7), 100, { what: 'seven', clock }), 7);
    await assert.rejects(withDeadline(Promise.reject(new Error('no')), 100, { what: 'x', clock }), /no/);
    let aborted = false;
    const hung = withDeadline(
      (signal) =>
        new Promise<never>(() => {
          signal.addEventListener('abort', () => {
            aborted = true;
          });
        }),
      100,
      { what: 'closing the port', clock },
    );
    const check = assert.rejects(hung, {
      reason: 'DEADLINE',
      message: 'closing the port took longer than 100 ms',
    });
    await clock.advance(100);
    await check;
    assert.equal(aborted, true);
    assert.equal(clock.waiting, 0);
  });

  it('withDeadline ends by the caller’s signal', async () => {
    const end = new AbortController();
    const hung = withDeadline(new Promise<never>(() => {}), 60_000, { what: 'x', signal: end.signal });
    end.abort(new Error('stop'));
    await assert.rejects(hung, /stop/);
  });

  it('waitFor returns what the condition gives, and its last error as the cause when it gives up', async () => {
    const clock = new ManualClock();
    let looks = 0;
    const met = waitFor(() => (++looks < 3 ? undefined : 'there'), { timeoutMs: 1000, what: 'it', clock });
    await clock.advance(200);
    assert.equal(await met, 'there');
    assert.equal(looks, 3);
    const never = waitFor(
      () => {
        throw new Error('refused');
      },
      { timeoutMs: 1000, what: 'db-0', clock },
    );
    const check = assert.rejects(never, {
      reason: 'DEADLINE',
      message: /waiting for db-0 after 1000 ms: Error: refused/,
    });
    await clock.advance(1000);
    await check;
  });

  it('waitFor gives up on a condition that hangs', async () => {
    const clock = new ManualClock();
    const never = waitFor(() => new Promise<boolean>(() => {}), { timeoutMs: 10, what: 'it', clock });
    const check = assert.rejects(never, { reason: 'DEADLINE' });
    await clock.advance(10);
    await check;
  });

  it('backoff grows to its cap, jitters downwards, and resets', () => {
    const plain = backoff({ baseMs: 100, capMs: 1000, jitter: 0 }, () => 0.9);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map(() => plain.next()),
      [100, 200, 400, 800, 1000],
    );
    plain.reset();
    assert.equal(plain.next(), 100);
    assert.equal(backoff({ baseMs: 100, capMs: 1000 }, () => 0.5).next(), 75);
  });
});
