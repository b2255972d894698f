import { type Command, InvalidArgumentError } from 'commander';
import { withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import { type ListOptions, withPages } from '../list.ts';
import type { NoteOptions } from './proposals.ts';

function proposalId(text: string): number {
  const id = Number(text);
  if (!/^\d{1,9}$/.test(text) || id < 1)
    throw new InvalidArgumentError('It must be the number of a proposal.');
  return id;
}

/** `policy propose`, `sign`, `reject` and `list`. */
export function addProposalCommands(policy: Command, context: CliContext, end: { code: number }): void {
  const propose = policy
    .command('propose')
    .argument('<file>', 'the document; - is standard input')
    .summary('have somebody else sign a document')
    .description(
      'Keeps the document until another person signs or rejects it, and tells what it would change. With\n' +
        '`policy.signOff` on (docs/CONFIG.md) there is no other way to change the policy.',
    )
    .option('--note <text>', 'what for')
    .addHelpText('after', '\nExamples:\n  sallyport policy propose policy.yaml --note "payroll for HR only"');
  withCommon<NoteOptions>(propose, 'policy propose', context, end, async (options, command, [file = '']) => {
    const { runPropose } = await import('./proposals.ts');
    return runPropose(file, options, command);
  });

  const sign = policy
    .command('sign')
    .argument('<id>', 'the number of the proposal', proposalId)
    .summary('make a proposal the policy')
    .description(
      'Signs what somebody else has proposed: it is then the newest version, if that which it was made against is\n' +
        'still in force. `policy diff --proposal ID` shows what it changes.',
    )
    .option('--note <text>', 'what there is to say about it')
    .addHelpText('after', '\nExamples:\n  sallyport policy diff --proposal 7\n  sallyport policy sign 7');
  withCommon<NoteOptions>(sign, 'policy sign', context, end, async (options, command, [id = '']) => {
    const { runSign } = await import('./proposals.ts');
    return runSign(Number(id), options, command);
  });

  const reject = policy
    .command('reject')
    .argument('<id>', 'the number of the proposal', proposalId)
    .summary('a proposal is not wanted')
    .description("Ends a proposal: your own, or as a security officer anybody's.")
    .option('--note <text>', 'why')
    .addHelpText('after', '\nExamples:\n  sallyport policy reject 7 --note "opens /payroll to everybody"');
  withCommon<NoteOptions>(reject, 'policy reject', context, end, async (options, command, [id = '']) => {
    const { runReject } = await import('./proposals.ts');
    return runReject(Number(id), options, command);
  });

  const list = withPages(policy.command('list'))
    .summary('proposals, and what became of them')
    .description('Lists proposals, newest first: who made each, and who signed or rejected it.')
    .addHelpText('after', '\nExamples:\n  sallyport policy list --limit 5');
  withCommon<ListOptions>(list, 'policy list', context, end, async (options, command) => {
    const { runProposals } = await import('./proposals.ts');
    return runProposals(options, command);
  });
}
