import { type Command, Option } from 'commander';
import { wholeNumber, withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { DownOptions } from './down.ts';
import type { UpOptions } from './up-options.ts';

/** `up`, `down` and `status`. Their code is loaded when it is used: help is to come at once. */
export function addMeshCommands(program: Command, context: CliContext, end: { code: number }): void {
  const up = program
    .command('up')
    .summary('start the mesh')
    .description(
      'Starts every pod with its sidecar, on this machine, and returns when all of them serve.\n' +
        'Envoy and MySQL are fetched the first time.',
    )
    .option('--foreground', 'stay here and show what happens; Ctrl-C stops the mesh')
    // What `up` without --foreground starts: it is followed by a process that tells the rest.
    .addOption(new Option('--followed').hideHelp())
    .option('--demo', 'then enrol a demo phone and read pages of the demo intranet')
    .option('--once', 'bring it up, try it while a pod is killed, take it down, and print figures')
    .option('--wipe', 'begin with an empty database and new keys: everything in the folder is lost')
    .addOption(
      new Option('--durability <how>', 'full: each commit is on disk; relaxed: it survives killed processes')
        .choices(['full', 'relaxed'])
        .default('full'),
    )
    .option('--otlp <url>', 'send traces and figures to this OTLP/HTTP receiver: http://127.0.0.1:4318')
    .option(
      '--gateways <file>',
      'groups of gateways, and what they reach (a gateways.yaml; default: as before, at first none)',
    )
    .option(
      '--sites <file>',
      'a second site with edges, proxies and backends of its own (a sites.yaml; default: as before, at first none)',
    )
    .option(
      '--targets <file>',
      'directories, hooks and mail servers that tasks reach (a targets.yaml; default: as before, at first none)',
    )
    .option(
      '--security-config <file>',
      'OpenID providers, sign-off, attestation and more of security pods (a security.yaml; default: as before, at first none)',
    )
    .option('--security <n>', 'security pods (default: as before, at first 3)', wholeNumber(1, 9))
    .option('--proxies <n>', 'proxy pods (default: as before, at first 3)', wholeNumber(1, 9))
    .option('--edges <n>', 'edges (default: as before, at first 2)', wholeNumber(1, 9))
    .option('--db <n>', 'database nodes (default: as before, at first 3)', wholeNumber(1, 9))
    .option('--workers <n>', 'workers, which run tasks (default: as before, at first 1)', wholeNumber(0, 9))
    .option(
      '--services <n>',
      'sidecars for services of your own (default: as before, at first 0)',
      wholeNumber(0, 9),
    )
    .addHelpText(
      'after',
      `
--once uses a folder of its own, which it removes, unless --state names one.
In the foreground the first Ctrl-C stops the mesh in order, a second one kills it at once.

Examples:
  sallyport up                          start it in the background
  sallyport up --foreground --demo      what \`npm start\` does
  sallyport up --once --json            a trial run of all of it, for programs
  sallyport up --gateways gateways.yaml reach what only gateways can reach
  sallyport up --sites sites.yaml       a slave site beside the master
  sallyport up --state /srv/mesh-a      a second mesh beside the first`,
    );
  withCommon<UpOptions>(up, 'up', context, end, async (options, command) => {
    const { runUp } = await import('./up.ts');
    return runUp(options, command);
  });

  const down = program
    .command('down')
    .summary('stop the mesh')
    .description('Stops the mesh in order, also one whose runner was killed. Its data stay.')
    .option('--wipe', 'then remove its data, keys and logs')
    .addHelpText(
      'after',
      `
When nothing is running there is nothing to do, which is no error.

Examples:
  sallyport down
  sallyport down --wipe                 and forget everything`,
    );
  withCommon<DownOptions>(down, 'down', context, end, async (options, command) => {
    const { runDown } = await import('./down.ts');
    return runDown(options, command);
  });

  const status = program
    .command('status')
    .summary('which pods are up, and where')
    .description(
      'Asks every process and sidecar how it is. Exit code 1 when anything is not up, or no mesh is running.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport status
  sallyport status --json | jq '.pods[] | select(.up | not)'`,
    );
  withCommon(status, 'status', context, end, async (_, command) => {
    const { runStatus } = await import('./status.ts');
    return runStatus(command);
  });
}
