import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Pod } from '#compose/topology/types.ts';
import { Watchdog } from './watchdog.ts';

function given() {
  const pod: Pod = { name: 'gw-0', role: 'gateway', host: 'h', address: '127.0.0.1', ports: {} };
  const process = {
    identity: { pid: 1, startTime: 'x' },
    isRunning: true,
    signals: [] as string[],
    signal: (name: string) => {
      process.signals.push(name);
      return true;
    },
  };
  const told: string[] = [];
  const missed: number[] = [];
  const knobs = { answers: true };
  const watchdog = new Watchdog({
    pods: () => [pod],
    running: () => new Map([['gw-0 process', process]]),
    ask: async () => {
      if (!knobs.answers) throw new Error('silence');
    },
    progress: (line) => void told.push(line),
    onMissed: () => void missed.push(watchdog.missed.get('gw-0') ?? 0),
  });
  const look = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n++) await watchdog.look();
  };
  return { process, told, missed, knobs, look };
}

describe('the watchdog', () => {
  it('kills a process that has answered before and does not any more, and tells', async () => {
    const { process, told, missed, knobs, look } = given();
    await look(1);
    knobs.answers = false;
    await look(7);
    knobs.answers = true;
    await look(1);
    knobs.answers = false;
    await look(7);
    assert.deepEqual(process.signals, []);
    await look(1);
    assert.deepEqual(process.signals, ['SIGKILL']);
    assert.deepEqual(missed, [1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0]);
    assert.deepEqual(told, ['gw-0 process hangs: it has not answered 8 times; killing it']);
  });

  it('leaves alone what is starting, stopping, or another process by now', async () => {
    const { process, knobs, look } = given();
    knobs.answers = false;
    await look(20);
    knobs.answers = true;
    await look(1);
    knobs.answers = false;
    process.isRunning = false;
    await look(20);
    process.isRunning = true;
    process.identity = { pid: 2, startTime: 'y' };
    await look(20);
    assert.deepEqual(process.signals, []);
  });
});
