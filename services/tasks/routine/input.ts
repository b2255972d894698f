import type { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import type { Json } from '../engine/json.ts';

/** The input of a task, in the form that it expects. @throws INVALID_FIELD, which ends the task: nothing was done yet */
export function readInput<S extends z.ZodType>(schema: S, input: Json): z.output<S> {
  const read = schema.safeParse(input);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new SallyportError('INVALID_FIELD', {
    message: `the input: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim(),
  });
}
