/** Tasks whose workers are killed at random, with effects at a receiver outside; loaded by workers. */
import { SallyportError } from '#core/errors/error.ts';
import { httpHook } from '#services/tasks/connectors/http-hook.ts';
import { runEffect } from '#services/tasks/connectors/run-effect.ts';
import type { TaskContext, TaskDefinition } from '#services/tasks/engine/definition.ts';
import type { Json } from '#services/tasks/engine/json.ts';
import { type Input, kind, partOf, partSteps, pauseMs } from './work.ts';

/** Milliseconds for an answer. */
const timeoutMs = 10_000;

/** The shipped connector. What it calls stands in the task's input, as its name. */
const hook = httpHook((url) => ({
  ...{ url, token: undefined, deduplicates: true, timeoutMs, ca: undefined },
  run: (work) => work(),
}));

const effect = (context: TaskContext, { url, label }: Input, n: number): Promise<Json> =>
  runEffect(
    context,
    `effect ${n}`,
    hook,
    { target: url, body: `${label} effect ${n}` },
    {
      undo: async (_, run) => void (await hook.act({ target: url, body: `${label} undo ${n}` }, run)),
    },
  );

const run = async (context: TaskContext, given: Json): Promise<Json> => {
  const input = given as unknown as Input;
  for (let n = 1; n <= input.steps; n++) await effect(context, input, n);
  await context.sleep('pause', pauseMs);
  if (input.takenBack) throw new SallyportError('POLICY_DENIED');
  const part = partOf(input);
  if (part !== undefined) await context.child('part', kind, part as unknown as Json);
  return input.steps + (part === undefined ? 0 : partSteps);
};

export const definitions: readonly TaskDefinition[] = [
  { kind, version: 1, summary: 'Work under which workers are killed.', run },
];
