import type { Command } from 'commander';
import { withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { RemoveOptions, SyncOptions } from './run-sync.ts';
import { type SettingsOptions, withSettings } from './settings-options.ts';

/** `sources list`, `show`, `add`, `set`, `test` and `remove`. */
export function addSourceCommands(program: Command, context: CliContext, end: { code: number }): void {
  const sources = program
    .command('sources')
    .summary('directories that users come from')
    .description(
      'LDAP directories and Active Directory. Their users and groups are kept in step, and their users log in\n' +
        'with the password that they have there. `sallyport users sync` brings them in step at once.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport sources list
  sallyport sources test hq
  sallyport users sync hq --dry-run`,
    );

  const list = sources
    .command('list')
    .summary('which there are')
    .description('Lists sources, the one whose users count first.')
    .addHelpText('after', '\nExamples:\n  sallyport sources list --json');
  withCommon(list, 'sources list', context, end, async (_, command) => {
    const { runSourceList } = await import('./run-sources.ts');
    return runSourceList(command);
  });

  const show = sources
    .command('show')
    .argument('<name>', 'its name')
    .summary('one source')
    .description('Shows the settings of a source, never its password, and how far it is in step.')
    .addHelpText('after', '\nExamples:\n  sallyport sources show hq');
  withCommon(show, 'sources show', context, end, async (_, command, [name = '']) => {
    const { runSourceShow } = await import('./run-sources.ts');
    return runSourceShow(name, command);
  });

  const add = withSettings(sources.command('add').argument('<name>', 'letters, digits and -'))
    .option('--scim', 'its users and groups are pushed by SCIM 2.0: `sallyport scim-tokens create NAME`')
    .summary('a new source')
    .description(
      'Makes a source. It is synchronised at once, then every minute unless --every says otherwise. Whoever is\n' +
        'to look first: --every 0, then `sallyport users sync NAME --dry-run`.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport sources add hq --url ldaps://ldap1.example,ldaps://ldap2.example --ca ca.pem \\
    --bind-dn cn=reader,dc=example,dc=org --password-file reader.txt \\
    --users ou=people,dc=example,dc=org --groups ou=groups,dc=example,dc=org
  sallyport sources add ad --url ldaps://dc1.corp.example --bind-dn reader@corp.example \\
    --password-file - --users dc=corp,dc=example --groups ou=groups,dc=corp,dc=example < reader.txt
  sallyport sources add idp --scim --precedence 50`,
    );
  withCommon<SettingsOptions>(add, 'sources add', context, end, async (options, command, [name = '']) => {
    const { runSourceAdd } = await import('./run-sources.ts');
    return runSourceAdd(name, options, command);
  });

  const set = withSettings(sources.command('set').argument('<name>', 'its name'))
    .summary('change one')
    .description('Changes what is given and leaves the rest. Everything is read again.')
    .addHelpText(
      'after',
      `
Examples:
  sallyport sources set hq --max-removal 10 --every 300
  sallyport sources set hq --hosts sec-0,sec-1`,
    );
  withCommon<SettingsOptions>(set, 'sources set', context, end, async (options, command, [name = '']) => {
    const { runSourceSet } = await import('./run-sources.ts');
    return runSourceSet(name, options, command);
  });

  const test = sources
    .command('test')
    .argument('<name>', 'its name')
    .summary('whether its hosts answer')
    .description(
      'Has a security pod log in at each host and look for a few users and groups. Changes nothing.',
    )
    .addHelpText('after', '\nExamples:\n  sallyport sources test hq');
  withCommon(test, 'sources test', context, end, async (_, command, [name = '']) => {
    const { runSourceTest } = await import('./run-sources.ts');
    return runSourceTest(name, command);
  });

  const remove = sources
    .command('remove')
    .argument('<name>', 'its name')
    .summary('a source is no more')
    .description(
      'Removes a source and its users, with their sessions and enrolments; those whom another source has, too, stay\n' +
        'as its users. Asks first, if it has users: the answer is a token for --confirm.',
    )
    .option('--confirm <token>', 'yes, these users')
    .addHelpText(
      'after',
      '\nExamples:\n  sallyport sources remove old\n  sallyport sources remove old --confirm 4f0c93b1a2d7',
    );
  withCommon<RemoveOptions>(remove, 'sources remove', context, end, async (options, command, [name = '']) => {
    const { runSourceRemove } = await import('./run-sync.ts');
    return runSourceRemove(name, options, command);
  });
}

/** `users sync`. */
export function addSyncCommand(users: Command, context: CliContext, end: { code: number }): void {
  const sync = users
    .command('sync')
    .argument('[source]', 'which directory (default: all)')
    .summary('bring users in step with directories')
    .description(
      'Has a security pod compare a directory with the users here, shows what is different, and changes it. If more\n' +
        'users would lose access than --max-removal of the source allows, nothing is changed and a token is told with\n' +
        'which to say yes. Ctrl-C ends it; what has been changed stays, and the next one does the rest.',
    )
    .option('--dry-run', 'only show what is different')
    .option('--full', 'read everything, not only what has changed')
    .option('--confirm <token>', 'yes, these users may lose access')
    .addHelpText(
      'after',
      `
Examples:
  sallyport users sync --dry-run
  sallyport users sync hq --full
  sallyport users sync hq --confirm 4f0c93b1a2d7`,
    );
  withCommon<SyncOptions>(sync, 'users sync', context, end, async (options, command, [source]) => {
    const { runSync } = await import('./run-sync.ts');
    return runSync(source, options, command);
  });
}
