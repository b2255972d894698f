/** Tasks for tests. Their effects are lines appended to a file, which outlives whoever is killed. */
import { appendFileSync } from 'node:fs';
import { SallyportError } from '#core/errors/error.ts';
import type { StepRun, TaskDefinition } from '#services/tasks/engine/definition.ts';
import type { Json } from '#services/tasks/engine/json.ts';

interface Input {
  readonly steps: number;
  readonly effects: string;
}

const inputOf = (input: Json): Input => input as unknown as Input;

/** One line: what a receiver that goes by tokens would get. */
function effect(file: string, what: string, { taskId, token }: StepRun): void {
  appendFileSync(file, `${taskId} ${what} ${token}\n`);
}

export const definitions: readonly TaskDefinition[] = [
  {
    // So many steps, one after the other.
    kind: 'chain',
    version: 1,
    run: async (context, input) => {
      const { steps, effects } = inputOf(input);
      let sum = 0;
      for (let n = 1; n <= steps; n++) {
        sum += await context.step(`step ${n}`, async (run) => {
          effect(effects, `step ${n}`, run);
          return n;
        });
      }
      return sum;
    },
  },
  {
    // Books, asks, waits; takes its booking back when it is cancelled or told no.
    kind: 'asks',
    version: 1,
    run: async (context, input) => {
      const { effects } = inputOf(input);
      await context.step(
        'book',
        async (run) => {
          effect(effects, 'book', run);
          return null;
        },
        {
          undo: async (_, run) => effect(effects, 'unbook', run),
        },
      );
      const said = await context.message<string>('answer', { withinMs: 600_000 });
      if (said !== 'yes')
        throw new SallyportError('CALLER_NOT_ALLOWED', { message: `the answer was ${said}` });
      await context.sleep('a moment', 300);
      const sum = await context.child<number>('more', 'chain', { steps: 2, effects } as unknown as Json);
      return { said, sum };
    },
  },
  {
    kind: 'stuck',
    version: 1,
    run: (context) =>
      context.step<string>('reach', () => Promise.reject(new SallyportError('UNAVAILABLE')), {
        retry: { attempts: 2, firstMs: 10 },
      }),
  },
  {
    // What kills whoever runs it.
    kind: 'poison',
    version: 1,
    run: (context) => context.step('die', () => Promise.reject(process.kill(process.pid, 'SIGKILL'))),
  },
];
