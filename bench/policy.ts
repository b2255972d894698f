import { type Bench, BenchInterrupted } from './harness/context.ts';
import { serverCore } from './harness/cores.ts';
import { type Figure, plainFigure } from './harness/figure.ts';
import type { PolicyLoad } from './servers/policy-decisions.ts';

/** Microseconds of CPU a decision. */
const goal = { atMost: 20 };

/** What the goal is for: 10,000 rules for 500 groups. The last is the worst that can be written. */
const shapes: readonly { readonly shape: PolicyLoad['shape']; readonly goal?: typeof goal }[] = [
  { shape: 'known', goal },
  { shape: 'new', goal },
  { shape: 'spread', goal },
  { shape: 'everybody' },
];

export const policy: Bench = {
  name: 'policy',
  about: 'a decision by a policy of 10,000 rules',
  run: async (context) => {
    const child = await context.start('servers/policy-decisions.ts', serverCore, {});
    const measured = new Map<string, number[]>(shapes.map(({ shape }) => [shape, []]));
    // The first round is the compiler's.
    for (let round = 0; round <= context.rounds; round++) {
      for (const { shape } of shapes) {
        if (context.signal.aborted) throw new BenchInterrupted();
        const load: PolicyLoad = { shape, sliceMs: context.sliceMs };
        const { microseconds, allowed } = (await child.ask(load)) as {
          microseconds: number;
          allowed: number;
        };
        if (allowed === 0) throw new Error(`${shape}: none of the requests was allowed`);
        if (round > 0) measured.get(shape)?.push(microseconds);
        context.progress(`  ${round}: ${shape}, ${microseconds.toFixed(2)} µs a decision`);
      }
    }
    return shapes.map(
      ({ shape, goal: mine }): Figure =>
        plainFigure(
          { name: `policy.decide.${shape}`, unit: 'µs of CPU a decision', ...(mine && { goal: mine }) },
          measured.get(shape) ?? [],
        ),
    );
  },
};
