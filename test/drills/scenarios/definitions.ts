/** Tasks of the scenarios, loaded by workers. What they do outside their journal is a line in a file. */
import { appendFileSync } from 'node:fs';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { StepRun, TaskContext, TaskDefinition } from '#services/tasks/engine/definition.ts';
import type { Json } from '#services/tasks/engine/json.ts';
import { approval } from '#services/tasks/work-items/ask.ts';

export interface Input {
  /** File of the effects: outlives whoever is killed. */
  readonly effects: string;
  readonly steps: number;
  /** Who is asked; nobody: no approval. */
  readonly approver?: string;
}

/** An effect takes as long as this, and is had when it ends or when it begins, in turn. */
const effectMs = 200;

async function effect(
  file: string,
  what: string,
  { taskId, token, signal }: StepRun,
  n: number,
): Promise<null> {
  const line = (): void => appendFileSync(file, `${taskId} ${what} ${token}\n`);
  if (n % 2 === 0) line();
  await systemClock.sleep(effectMs, signal);
  if (n % 2 === 1) line();
  return null;
}

const run = async (context: TaskContext, input: Json): Promise<Json> => {
  const { effects, steps, approver } = input as unknown as Input;
  let by = 'nobody';
  if (approver !== undefined) {
    const said = await approval(context, 'approver', { title: 'A new colleague', to: { users: [approver] } });
    by = said?.approved ? said.by : 'nobody';
  }
  for (let n = 1; n <= steps; n++) {
    await context.step(`step ${n}`, (step) => effect(effects, `step ${n}`, step, n));
  }
  return { steps, by };
};

export const definitions: readonly TaskDefinition[] = [
  { kind: 'drill', version: 1, summary: 'A task of the scenarios.', forAnyone: true, run },
];
