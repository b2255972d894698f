import { Command, CommanderError } from 'commander';
import { addActivationCommands } from './activation/commands.ts';
import { addAppCommands } from './apps/commands.ts';
import { addBackupCommands } from './backup/commands.ts';
import { addChangeCommands } from './change/commands.ts';
import type { CliContext } from './context.ts';
import { addDbCommands } from './db/commands.ts';
import { addDeviceCommands } from './device/commands.ts';
import { addDevicesCommands } from './devices/commands.ts';
import { addDowntimeCostCommand } from './downtime-cost/commands.ts';
import { exitCodes, failureOf, UsageError } from './failure.ts';
import { addInboxCommands } from './inbox/commands.ts';
import { addKeyCommands } from './keys/commands.ts';
import { addMeshCommands } from './mesh/commands.ts';
import { addPeopleCommands } from './people/commands.ts';
import { addPolicyCommands } from './policy/commands.ts';
import { createReport } from './report.ts';
import { addScheduleCommands } from './schedules/commands.ts';
import { addScimTokenCommands } from './scim-tokens/commands.ts';
import { addSessionCommands } from './sessions/commands.ts';
import { addSidecarCommands } from './sidecars/commands.ts';
import { addSiteCommands } from './site/commands.ts';
import { addSourceCommands } from './sources/commands.ts';
import { addTaskCommands } from './tasks/commands.ts';
import { addToolCommands } from './tool-commands.ts';
import { addUserCommands } from './users/commands.ts';

/** Runs one command line. Resolves with the exit code: 0 ok, 1 failed, 2 wrong usage, 130 interrupted. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const end = { code: exitCodes.ok as number };
  const program = buildProgram(context, end);
  try {
    await program.parseAsync(args, { from: 'user' });
    return end.code;
  } catch (error) {
    const told = error instanceof CommanderError ? usageOf(error) : error;
    if (told === undefined) return exitCodes.ok;
    const failure = failureOf(told);
    createReport(args[0] ?? 'sallyport', args.includes('--json'), context).failure(failure);
    return failure.exitCode;
  }
}

export function buildProgram(context: CliContext, end: { code: number }): Command {
  const program = new Command('sallyport')
    .description('The mesh on one machine: start it, look after it, stop it, and use it as a phone would.')
    .configureHelp({ sortSubcommands: false, showGlobalOptions: true })
    .configureOutput({ writeOut: context.out, writeErr: context.err, outputError: () => {} })
    .helpCommand(false)
    .addHelpText(
      'after',
      `
Exit codes: 0 ok, 1 failed, 2 wrong usage, 130 interrupted. With --json the last line of
standard output is one JSON object with name, ok and figures; all else goes to standard error.

Examples:
  sallyport up --demo                        start the mesh and try it with a demo phone
  sallyport status                           which pods are up, and where
  sallyport device enroll --user anna        make this terminal a phone of anna's
  sallyport device open --user anna          log in
  sallyport device get /news                 read a page of the intranet
  sallyport sessions list                    who is logged in
  sallyport down                             stop it all`,
    )
    .exitOverride();
  addMeshCommands(program, context, end);
  addSidecarCommands(program, context, end);
  addDbCommands(program, context, end);
  addSiteCommands(program, context, end);
  addBackupCommands(program, context, end);
  addChangeCommands(program, context, end);
  addToolCommands(program, context, end);
  addDeviceCommands(program, context, end);
  addPeopleCommands(program, context, end);
  addUserCommands(program, context, end);
  addSourceCommands(program, context, end);
  addScimTokenCommands(program, context, end);
  addPolicyCommands(program, context, end);
  addAppCommands(program, context, end);
  addActivationCommands(program, context, end);
  addSessionCommands(program, context, end);
  addDevicesCommands(program, context, end);
  addKeyCommands(program, context, end);
  addTaskCommands(program, context, end);
  addInboxCommands(program, context, end);
  addScheduleCommands(program, context, end);
  addDowntimeCostCommand(program, context, end);
  return program;
}

/** Commander throws for help too: undefined then. */
function usageOf(error: CommanderError): UsageError | undefined {
  if (error.exitCode === 0) return undefined;
  if (error.code === 'commander.help') {
    return new UsageError('a command is missing', '`sallyport --help` lists them');
  }
  return new UsageError(
    error.message.replace(/^error: /, ''),
    '`sallyport --help` lists the commands, `sallyport <command> --help` its options',
  );
}
