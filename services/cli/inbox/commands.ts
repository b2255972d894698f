import type { Command } from 'commander';
import { type CommonOptions, collect, withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import { withPages } from '../list.ts';
import type { InboxListOptions } from './read-inbox.ts';
import type { DelegateOptions, FormOptions } from './work-on-item.ts';

/** `inbox list`, `show`, `claim`, `release`, `draft`, `complete` and `delegate`. */
export function addInboxCommands(program: Command, context: CliContext, end: { code: number }): void {
  const inbox = program
    .command('inbox')
    .summary('what tasks ask of people')
    .description(
      'Work items: approvals, and forms to be filled in. It is for people (`sallyport login`); an operator without a\n' +
        'login sees all of them, and can hand them on. What has been typed is kept as a draft, whatever dies.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport inbox list
  sallyport inbox show 8bC2mQ1sT0uXw4yZa6dEfg
  sallyport inbox complete 8bC2mQ1sT0uXw4yZa6dEfg --set decision=approve --set comment=welcome`,
    );
  const item = (verb: string, summary: string, description: string, examples: string): Command =>
    inbox
      .command(verb)
      .argument('<id>', 'the work item')
      .summary(summary)
      .description(description)
      .addHelpText('after', `\nExamples:\n${examples}`);
  const filled = (command: Command): Command =>
    command
      .option(
        '--set <field=value>',
        'a field of the form; several values of a list: a,b (repeatable)',
        collect,
      )
      .option('--form <file>', 'file with the whole form, as JSON; - is standard input');

  const list = withPages(inbox.command('list'))
    .summary('what is to be done')
    .description('Lists what you may work on and nobody else has reserved, oldest first.')
    .option('--everybody', "everybody's; for operators")
    .option('--ended', 'what has ended, too')
    .option('--task <id>', 'only of this task')
    .addHelpText('after', '\nExamples:\n  sallyport inbox list\n  sallyport inbox list --everybody --json');
  withCommon<InboxListOptions>(list, 'inbox list', context, end, async (options, command) => {
    const { runInboxList } = await import('./read-inbox.ts');
    return runInboxList(options, command);
  });

  const show = item(
    'show',
    'one of them',
    'Shows an item, the fields of its form, and what has been typed so far.',
    '  sallyport inbox show 8bC2mQ1sT0uXw4yZa6dEfg',
  );
  withCommon(show, 'inbox show', context, end, async (_, command, [id = '']) => {
    const { runInboxShow } = await import('./read-inbox.ts');
    return runInboxShow(id, command);
  });

  for (const [verb, summary, description] of [
    ['claim', 'reserve it', 'Reserves an item for you. The others do not see it any more, and are told.'],
    ['release', 'give it back', 'Gives an item back to all who may work on it. Its draft stays.'],
  ] as const) {
    const command = item(verb, summary, description, `  sallyport inbox ${verb} 8bC2mQ1sT0uXw4yZa6dEfg`);
    withCommon<CommonOptions>(command, `inbox ${verb}`, context, end, async (_, given, [id = '']) => {
      const { runReserve } = await import('./work-on-item.ts');
      return runReserve(verb, id, given);
    });
  }

  const draft = filled(
    item(
      'draft',
      'keep what is typed so far',
      'Keeps a form that need not be complete. --set changes the draft that is there, --form replaces it. If somebody\n' +
        'saves another one at the same moment, neither is lost: you are told, and look again.',
      '  sallyport inbox draft 8bC2mQ1sT0uXw4yZa6dEfg --set comment="I would like to know"',
    ),
  );
  withCommon<FormOptions>(draft, 'inbox draft', context, end, async (options, command, [id = '']) => {
    const { runDraft } = await import('./work-on-item.ts');
    return runDraft(id, options, command);
  });

  const complete = filled(
    item(
      'complete',
      'hand it in',
      'Hands the form in: the draft as it is, with what --set adds, or the file. The task goes on with it.',
      '  sallyport inbox complete 8bC2mQ1sT0uXw4yZa6dEfg --set decision=reject --set comment="not this year"\n' +
        '  sallyport inbox complete 8bC2mQ1sT0uXw4yZa6dEfg --form form.json',
    ),
  );
  withCommon<FormOptions>(complete, 'inbox complete', context, end, async (options, command, [id = '']) => {
    const { runComplete } = await import('./work-on-item.ts');
    return runComplete(id, options, command);
  });

  const delegate = item(
    'delegate',
    'hand it to somebody',
    'Hands an item, with its draft, to another user, who then has it reserved.',
    '  sallyport inbox delegate 8bC2mQ1sT0uXw4yZa6dEfg --to bert',
  ).requiredOption('--to <user>', 'who');
  withCommon<DelegateOptions>(
    delegate,
    'inbox delegate',
    context,
    end,
    async (options, command, [id = '']) => {
      const { runDelegate } = await import('./work-on-item.ts');
      return runDelegate(id, options, command);
    },
  );
}
