import type { Command } from 'commander';
import { verbsOf } from '../command.ts';
import type { CliContext } from '../context.ts';

/** `site status`. */
export function addSiteCommands(program: Command, context: CliContext, end: { code: number }): void {
  const site = program
    .command('site')
    .summary('the two sites of a mesh, and the replica that follows the master')
    .description(
      'A mesh with a slave site (`sallyport up --sites`) has a database node there that follows the group of the\n' +
        'master through its failovers.',
    )
    .addHelpText('after', '\nExamples:\n  sallyport site status');
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
}
