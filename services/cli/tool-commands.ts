import { Argument, type Command } from 'commander';
import { wholeNumber, withCommon } from './command.ts';
import { completionScript, type Shell, shells } from './completion.ts';
import type { CliContext } from './context.ts';
import type { LogOptions } from './logs/run-logs.ts';

/** `doctor`, `logs` and `completion`. */
export function addToolCommands(program: Command, context: CliContext, end: { code: number }): void {
  const doctor = program
    .command('doctor')
    .summary('what is not well, and what to do about it')
    .description(
      'Looks at this machine and at the mesh that runs on it. Exit code 1 when something is not well.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport doctor
  sallyport doctor --json | jq '.items[] | select(.ok | not)'`,
    );
  withCommon(doctor, 'doctor', context, end, async (_, command) => {
    const { runDoctor } = await import('./doctor/run-doctor.ts');
    return runDoctor(command);
  });

  const logs = program
    .command('logs')
    .argument('[pod]', 'whose (default: of all pods)')
    .summary('what pods have written')
    .description("Shows the last lines of the logs of a pod's process, its sidecar and its mysqld.")
    .option('-f, --follow', 'go on with what comes, until Ctrl-C')
    .option('-n, --lines <n>', 'of each file', wholeNumber(0, 10_000), 10)
    .addHelpText(
      'after',
      `
Examples:
  sallyport logs sec-0
  sallyport logs --follow proxy-1
  sallyport logs -n 100 db-2`,
    );
  withCommon<LogOptions>(logs, 'logs', context, end, async (options, command, [pod]) => {
    const { runLogs } = await import('./logs/run-logs.ts');
    return runLogs(pod, options, command);
  });

  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'for which shell').choices(shells))
    .summary('teach a shell the commands')
    .description('Writes a script that completes commands and options on Tab.')
    .addHelpText(
      'after',
      `
Examples:
  sallyport completion bash > ~/.local/share/bash-completion/completions/sallyport
  sallyport completion zsh >> ~/.zshrc
  sallyport completion fish > ~/.config/fish/completions/sallyport.fish`,
    )
    .action((shell: Shell) => context.out(completionScript(program, shell)));
}
