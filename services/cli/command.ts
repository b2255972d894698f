import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CliContext } from './context.ts';
import { exitCodes, failureOf, UsageError } from './failure.ts';
import { createReport, type Outcome, type Report } from './report.ts';

/** Options that every command has. */
export interface CommonOptions {
  readonly state?: string;
  readonly json?: boolean;
}

/** What a command's own code gets. */
export interface CommandContext extends CliContext {
  readonly report: Report;
  /** Absolute. */
  readonly stateDir: string;
}

export const defaultState = '.sallyport';

/** Adds what all commands have in common, and runs `body` with it. */
export function withCommon<O extends CommonOptions>(
  command: Command,
  name: string,
  context: CliContext,
  end: { code: number },
  body: (options: O, command: CommandContext, args: readonly string[]) => Promise<Outcome>,
): Command {
  return command
    .addOption(
      new Option('--state <dir>', `folder of the mesh (default: SALLYPORT_STATE, else ${defaultState})`),
    )
    .option('--json', 'end with one JSON object on standard output')
    .action(async (...given: unknown[]) => {
      const options = command.opts<O>();
      // Those that a parser has looked at may be numbers now.
      const args = given
        .slice(0, -2)
        .flat()
        .filter((arg) => arg !== undefined)
        .map(String);
      const report = createReport(name, options.json === true, context);
      try {
        const state = options.state ?? context.env.SALLYPORT_STATE ?? defaultState;
        // As of a variable that is not set: it would be the current folder, with whatever lies there.
        if (state === '')
          throw new UsageError('the folder of the mesh is empty', 'name one with --state or SALLYPORT_STATE');
        const stateDir = resolve(context.cwd, state);
        const outcome = await body(options, { ...context, report, stateDir }, args);
        report.outcome(outcome);
        end.code = outcome.ok ? exitCodes.ok : exitCodes.failed;
      } catch (error) {
        const failure = failureOf(error);
        report.failure(failure);
        end.code = failure.exitCode;
      }
    });
}

/** What adds verbs to a group of commands; `run` gets a verb's arguments and options, and loads the code that it needs. */
export const verbsOf =
  (group: Command, context: CliContext, end: { code: number }) =>
  <O extends CommonOptions>(
    verb: string,
    summary: string,
    description: string,
    examples: string,
    shape: (command: Command) => Command,
    run: (args: readonly string[], options: O) => (options: O, command: CommandContext) => Promise<Outcome>,
  ): void => {
    const command = shape(group.command(verb).summary(summary).description(description)).addHelpText(
      'after',
      `\nExamples:\n${examples}`,
    );
    withCommon<O>(command, `${group.name()} ${verb}`, context, end, (options, given, args) =>
      run(args, options)(options, given),
    );
  };

/** An option that may be given several times: all its values. */
export const collect = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
];

/** An option's value that is a whole number in a range. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    // Number('') is 0.
    if (/^-?\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}
