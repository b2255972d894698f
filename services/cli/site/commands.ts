import type { Command } from 'commander';
import { type CommonOptions, verbsOf } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { PromoteOptions } from './run-site-changes.ts';

/** `site status`, `promote` and `rejoin`. */
export function addSiteCommands(program: Command, context: CliContext, end: { code: number }): void {
  const site = program
    .command('site')
    .summary('the two sites of a mesh, and the replica that follows the master')
    .description(
      'A mesh with a slave site (`sallyport up --sites`) has a database node there that follows the group of the\n' +
        'master through its failovers, and can take over when that site is gone.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  sallyport site status\n  sallyport site promote\n  sallyport site rejoin',
    );
  const verb = verbsOf(site, context, end);
  verb(
    'status',
    'which site is master, and how far behind the replica is',
    'Asks the agents of all database nodes. What the group has committed within the lag is what may be lost with\n' +
      'the master. Exit code 1 while no replica follows, or it is more than a second behind.',
    '  sallyport site status\n' + "  sallyport site status --json | jq '.replicas[] | {pod, source, lagMs}'",
    (command) => command,
    () => async (_, command) => {
      const { runSiteStatus } = await import('./run-site-status.ts');
      return runSiteStatus(command);
    },
  );
  verb<PromoteOptions>(
    'promote',
    'make the slave site the master',
    'Says first what may be lost, and asks. The replica takes over in a new era, a security tier is started beside it, and\n' +
      'the old master serves nobody any more: its database nodes ask the replica before they form their group again.\n' +
      'People log in again; no device enrols again. Interrupted, it goes on when it is said again.',
    '  sallyport site promote\n  sallyport site promote --yes\n' +
      '  sallyport site promote --force         the master lives, and is to end',
    (command) =>
      command
        .option('--yes', 'do not ask')
        .option('--force', 'also when the database group of the master answers'),
    (_, options) => async (__, command) => {
      const { runSitePromote } = await import('./run-site-changes.ts');
      return runSitePromote(options, command);
    },
  );
  verb<CommonOptions>(
    'rejoin',
    'bring the site that was superseded back as slave',
    'What its database nodes had is put aside in their folders, with the transactions told that the master does not have.\n' +
      'One of them becomes a replica of the master, and the pods of the site are started.',
    '  sallyport site rejoin',
    (command) => command,
    (_, options) => async (__, command) => {
      const { runSiteRejoin } = await import('./run-site-changes.ts');
      return runSiteRejoin(options, command);
    },
  );
}
