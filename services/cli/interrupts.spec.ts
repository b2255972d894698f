import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'mocha';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { Interrupted } from './context.ts';
import { listenForInterrupts } from './interrupts.ts';

function world() {
  const exits: number[] = [];
  const events = Object.assign(new EventEmitter(), { exit: (code: number) => void exits.push(code) });
  const clock = new ManualClock();
  return { events, exits, clock, interrupts: listenForInterrupts({ events, clock }) };
}

describe('interrupts', () => {
  it('abort at the first, and end the process at the second, after its work', async () => {
    const { events, exits, clock, interrupts } = world();
    const done: string[] = [];
    interrupts.onSecond(() => done.push('killed'));
    events.emit('SIGINT');
    assert.ok(interrupts.signal.reason instanceof Interrupted);
    await clock.advance(1000);
    events.emit('SIGTERM');
    assert.deepEqual([done, exits], [['killed'], [130]]);
  });

  it('are one when npm passes on the Ctrl-C that the terminal has sent already', async () => {
    const { events, exits, clock } = world();
    events.emit('SIGINT');
    await clock.advance(20);
    events.emit('SIGINT');
    assert.deepEqual(exits, []);
  });

  it('leave no listener behind', () => {
    const { events, interrupts } = world();
    interrupts.close();
    assert.equal(events.listenerCount('SIGINT') + events.listenerCount('SIGHUP'), 0);
  });
});
