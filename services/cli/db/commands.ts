import type { Command } from 'commander';
import { wholeNumber, withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { RecoverOptions } from './run-db.ts';

/** `db status`, `recover` and `rebuild`. */
export function addDbCommands(program: Command, context: CliContext, end: { code: number }): void {
  const db = program
    .command('db')
    .summary('the database nodes: how they are, and how they come back')
    .description(
      'The nodes are one MySQL group with a primary; each has an agent that starts, rejoins and copies it\n' +
        'by itself. These commands are for when that is not enough, or takes an operator to decide.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport db status
  sallyport db recover
  sallyport db recover --force         go on without a node that is lost for good`,
    );

  const status = db
    .command('status')
    .summary('each node, what it has, and what it waits for')
    .description(
      'Asks the agent of each node. Exit code 1 unless all are members of the group and one is primary.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport db status
  sallyport db status --json | jq '.nodes[] | {pod, state, waitingFor}'`,
    );
  withCommon(status, 'db status', context, end, async (_, command) => {
    const { runDbStatus } = await import('./run-db.ts');
    return runDbStatus(command);
  });

  const recover = db
    .command('recover')
    .summary('bring the group back, and wait until it is whole')
    .description(
      'After all nodes were down, the one that has every transaction, those in its relay log included, forms\n' +
        'the group and the others join. Nothing that was acknowledged is lost. That takes every node: when one\n' +
        'is lost for good, or nodes have transactions that others lack, nothing is done without --force, and\n' +
        'the error says what that may lose.',
    )
    .option('--force', 'nodes that do not answer are lost for good: go on with what is there')
    .option('--from <pod>', 'with --force: form the group from this node (default: the one with the most)')
    .option('--timeout <s>', 'wait at most so long (default: 180)', wholeNumber(1, 86_400))
    .addHelpText(
      'after',
      `
Data that the group does not have are put aside in <state>/pods/<pod>/data.aside, which the next time replaces.

Examples:
  sallyport db recover
  sallyport db recover --force
  sallyport db recover --force --from db-2`,
    );
  withCommon<RecoverOptions>(recover, 'db recover', context, end, async (options, command) => {
    const { runDbRecover } = await import('./run-db.ts');
    return runDbRecover(options, command);
  });

  const rebuild = db
    .command('rebuild')
    .argument('<pod>', 'the node: db-1')
    .summary("put a node's data aside, and copy the group's")
    .description(
      'For a node whose data are damaged, or have what the group does not have. Refused for a member, and\n' +
        'while no other node has the group.',
    )
    .option('--timeout <s>', 'wait at most so long (default: 180)', wholeNumber(1, 86_400))
    .addHelpText('after', '\nExamples:\n  sallyport db rebuild db-1');
  withCommon<RecoverOptions>(rebuild, 'db rebuild', context, end, async (options, command, [pod = '']) => {
    const { runDbRebuild } = await import('./run-db.ts');
    return runDbRebuild(pod, options, command);
  });
}
