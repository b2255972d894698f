import { type Command, Option } from 'commander';
import { withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import { withPages } from '../list.ts';
import type { SessionListOptions } from './list.ts';
import type { SessionRevokeOptions } from './revoke.ts';

/** `sessions list`, `show` and `revoke`. */
export function addSessionCommands(program: Command, context: CliContext, end: { code: number }): void {
  const sessions = program
    .command('sessions')
    .summary('see who is logged in, and end sessions')
    .description(
      'Lists, shows and ends sessions of devices and people. A handle names a session and opens nothing; one\n' +
        'that begins with - goes after --.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport sessions list --user anna
  sallyport sessions revoke --user anna --reason 'lost her phone'`,
    );

  const list = withPages(sessions.command('list'))
    .summary('who is logged in')
    .description('Lists sessions, newest first.')
    .option('--user <name>', 'only those of this user')
    .option('--device <id>', 'only those of this device')
    .option('--ended', 'also those that are over')
    .addHelpText(
      'after',
      `
Examples:
  sallyport sessions list
  sallyport sessions list --user anna --ended
  sallyport sessions list --all --json | jq -r '.items[].user' | sort | uniq -c`,
    );
  withCommon<SessionListOptions>(list, 'sessions list', context, end, async (options, command) => {
    const { runSessionList } = await import('./list.ts');
    return runSessionList(options, command);
  });

  const show = sessions
    .command('show')
    .argument('<handle>', 'as `sessions list` gives it')
    .summary('one session')
    .description('Shows all that is known of a session, which is never a key.')
    .addHelpText(
      'after',
      '\nExamples:\n  sallyport sessions show fkCSY5sX0HmjbMDEAcZ7Wg.sec-1.2PGqC6nwWmkvX8XnrFWAoQ',
    );
  withCommon(show, 'sessions show', context, end, async (_, command, [handle = '']) => {
    const { runSessionShow } = await import('./show.ts');
    return runSessionShow(handle, command);
  });

  const revoke = withWait(sessions.command('revoke'))
    .argument('[handle]', 'one session, as `sessions list` gives it')
    .summary('end sessions')
    .description(
      'Ends sessions through the revocation feed; open streams are cut. Whoever may, can log in again.',
    )
    .option('--user <name>', 'all of this user')
    .option('--device <id>', 'all of this device')
    .option('--everybody', 'all that there are')
    .option('--reason <text>', 'why, for the record', '')
    .addHelpText(
      'after',
      `
Examples:
  sallyport sessions revoke --user anna --reason 'lost her phone'
  sallyport sessions revoke --wait committed fkCSY5sX0HmjbMDEAcZ7Wg.sec-1.2PGqC6nwWmkvX8XnrFWAoQ
  sallyport sessions revoke --everybody --reason 'exercise'`,
    );
  withCommon<SessionRevokeOptions>(
    revoke,
    'sessions revoke',
    context,
    end,
    async (options, command, [handle]) => {
      const { runSessionRevoke } = await import('./revoke.ts');
      return runSessionRevoke(options, command, handle);
    },
  );
}

/** How long a command that ends sessions waits. */
export const withWait = (command: Command): Command =>
  command.addOption(
    new Option(
      '--wait <until>',
      'committed: it will reach everybody; fleet: nobody can accept them any more, which takes a moment, and ' +
        'up to half a minute when a pod does not answer (then exit code 1 if it is still not sure)',
    )
      .choices(['committed', 'fleet'])
      .default('fleet'),
  );
