/** Tasks for tests that ask people. Loaded by workers as a module beside what is shipped. */
import { appendFileSync } from 'node:fs';
import { SallyportError } from '#core/errors/error.ts';
import { ApprovalFormSchema } from '#gen/sallyport/task/v1/work_item_pb.js';
import type { StepRun, TaskDefinition } from '#services/tasks/engine/definition.ts';
import { approval, form } from '#services/tasks/work-items/ask.ts';
import { definitions as silent } from './definitions.ts';

interface Input {
  readonly effects: string;
  readonly to?: { readonly users?: string[]; readonly groups?: string[]; readonly roles?: string[] };
  readonly except?: string[];
  readonly escalateMs?: number;
  readonly withinMs?: number;
}

/** One line: what a receiver that goes by tokens would get. */
const effect = (file: string, what: string, { taskId, token }: StepRun): null => {
  appendFileSync(file, `${taskId} ${what} ${token}\n`);
  return null;
};

export const definitions: readonly TaskDefinition[] = [
  ...silent,
  {
    // For anybody to ask for; somebody else says yes, and a third fills in a form.
    kind: 'request',
    version: 1,
    summary: 'Asks for an approval and for a form.',
    forAnyone: true,
    run: async (context, input) => {
      const {
        effects,
        to = { groups: ['staff'] },
        except = [],
        escalateMs,
        withinMs,
      } = input as unknown as Input;
      const escalate =
        escalateMs === undefined ? {} : { escalate: { afterMs: escalateMs, to: { users: ['bob'] } } };
      const said = await approval(context, 'manager', {
        title: 'May this be?',
        details: { what: 'a test' },
        ...{ to, except },
        ...escalate,
        ...(withinMs !== undefined && { withinMs }),
      });
      if (said === undefined) return 'nobody said anything';
      if (!said.approved) throw new SallyportError('CALLER_NOT_ALLOWED', { message: said.comment });
      await context.step('grant', async (run) => effect(effects, 'grant', run));
      const filled = await form(context, 'desk', { title: 'Say why', form: ApprovalFormSchema, to });
      await context.step('tell', async (run) => effect(effects, 'tell', run));
      return { by: said.by, comment: said.comment, why: filled?.values.comment ?? '' };
    },
  },
];
