import { type Bench, BenchInterrupted } from './harness/context.ts';
import { serverCore } from './harness/cores.ts';
import { plainFigure } from './harness/figure.ts';
import type { Memory } from './servers/held-sessions.ts';

const goal = { atMost: 1024 };
const sessions = 100_000;
const repetitions = 3;

export const memory: Bench = {
  name: 'memory',
  about: 'memory of an idle session at 100,000 sessions in one pod',
  run: async (context) => {
    const heap: number[] = [];
    const resident: number[] = [];
    for (let n = 0; n < repetitions; n++) {
      if (context.signal.aborted) throw new BenchInterrupted();
      const child = await context.start('servers/held-sessions.ts', serverCore, { pod: 'sec-0' }, [
        '--expose-gc',
      ]);
      // Code, pools and room for what is short-lived are there after the first ones, and do not count.
      const before = (await child.ask({ sessions: 20_000 })) as Memory;
      const after = (await child.ask({ sessions })) as Memory;
      await child.stop();
      const more = after.sessions - before.sessions;
      heap.push((after.heap - before.heap) / more);
      resident.push((after.resident - before.resident) / more);
      context.progress(`  ${n + 1}: heap ${heap.at(-1)}, resident ${resident.at(-1)} bytes a session`);
    }
    const unit = 'bytes a session';
    return [
      plainFigure({ name: 'memory.session.heap', unit, goal }, heap),
      plainFigure({ name: 'memory.session.resident', unit, goal }, resident),
    ];
  },
};
