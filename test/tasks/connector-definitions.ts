/** One task for each connector. `calm` in its input: its worker is not killed. */
import { SallyportError } from '#core/errors/error.ts';
import type { Connectors } from '#services/tasks/connectors/connectors.ts';
import type { HookCall } from '#services/tasks/connectors/http-hook.ts';
import { changeGroup, type GroupChange } from '#services/tasks/connectors/ldap-group.ts';
import type { Mail } from '#services/tasks/connectors/mail.ts';
import { runEffect } from '#services/tasks/connectors/run-effect.ts';
import type { NewAccount } from '#services/tasks/connectors/tier.ts';
import type { TaskContext, TaskDefinition } from '#services/tasks/engine/definition.ts';
import type { Json } from '#services/tasks/engine/json.ts';

type Calm = { readonly calm?: boolean };
const named = ({ calm = false }: Calm): string => (calm ? 'calm' : 'effect');

export function connectorDefinitions({ ldap, hook, mail, tier }: Connectors): readonly TaskDefinition[] {
  const task = <T>(kind: string, run: (context: TaskContext, input: T) => Promise<Json>): TaskDefinition => ({
    ...{ kind, version: 1 },
    run: (context, input) => run(context, input as T),
  });
  return [
    task<GroupChange & Calm>('group', async (context, input) => {
      await changeGroup(context, named(input), ldap, input, { undo: true });
      return null;
    }),
    task<GroupChange>('group-then-no', async (context, input) => {
      await changeGroup(context, 'effect', ldap, input, { undo: true });
      throw new SallyportError('POLICY_DENIED');
    }),
    task<HookCall & Calm>('hook', (context, input) => runEffect(context, named(input), hook, input)),
    task<Mail & Calm>('mail', (context, input) => runEffect(context, named(input), mail, input)),
    task<NewAccount>('account', async (context, input) => {
      const { name } = input;
      await runEffect(context, 'effect: make', tier.createAccount, input);
      const position = await runEffect(context, 'effect: change', tier.changeAccount, {
        name,
        addGroups: ['more'],
      });
      const ended = await runEffect(context, 'effect: end', tier.endSessions, { user: name, reason: 'test' });
      return { position, ended };
    }),
  ];
}
