import type { Command } from 'commander';
import { type CommonOptions, wholeNumber, withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';

export interface CreateOptions extends CommonOptions {
  readonly label?: string;
  readonly days?: number;
}

/** `scim-tokens create`, `list` and `revoke`. */
export function addScimTokenCommands(program: Command, context: CliContext, end: { code: number }): void {
  const tokens = program
    .command('scim-tokens')
    .summary('who may push users by SCIM 2.0')
    .description(
      'Bearer tokens of identity providers that push users and groups of one source (`sources add NAME --scim`) to\n' +
        '/scim/v2: of an edge if `edge: {scim: true}` is applied, or of a service through its sidecar.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport sources add idp --scim
  sallyport scim-tokens create idp --label "Entra" --days 365
  sallyport scim-tokens revoke 4f0c93b1a2d75e60`,
    );

  const create = tokens
    .command('create')
    .argument('<source>', 'the source that it is for')
    .summary('a new one, shown once')
    .description('Makes a token and shows it. It is kept as a hash only, so nobody can show it again.')
    .option('--label <text>', 'what it is called, for people')
    .option('--days <n>', 'until it expires (default: never)', wholeNumber(1, 3650))
    .addHelpText('after', '\nExamples:\n  sallyport scim-tokens create idp --label Okta');
  withCommon<CreateOptions>(
    create,
    'scim-tokens create',
    context,
    end,
    async (options, command, [source = '']) => {
      const { runCreate } = await import('./run-scim-tokens.ts');
      return runCreate(source, options, command);
    },
  );

  const list = tokens
    .command('list')
    .argument('[source]', 'only of this source')
    .summary('which there are')
    .description('Lists tokens, when each was last used, and never what they are.')
    .addHelpText('after', '\nExamples:\n  sallyport scim-tokens list --json');
  withCommon(list, 'scim-tokens list', context, end, async (_, command, [source = '']) => {
    const { runList } = await import('./run-scim-tokens.ts');
    return runList(source, command);
  });

  const revoke = tokens
    .command('revoke')
    .argument('<id>', 'its id, as `scim-tokens list` has it')
    .summary('one is good no more')
    .description('Ends a token at once. Users that were pushed with it stay.')
    .addHelpText('after', '\nExamples:\n  sallyport scim-tokens revoke 4f0c93b1a2d75e60');
  withCommon(revoke, 'scim-tokens revoke', context, end, async (_, command, [id = '']) => {
    const { runRevoke } = await import('./run-scim-tokens.ts');
    return runRevoke(id, command);
  });
}
