import { type Command, Option } from 'commander';
import { verbsOf, wholeNumber } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { AddOptions, ReportOptions } from './run-schedules.ts';

/** `schedules list`, `add`, `set`, `pause`, `resume`, `run`, `remove` and `report`. */
export function addScheduleCommands(program: Command, context: CliContext, end: { code: number }): void {
  const schedules = program
    .command('schedules')
    .summary('tasks that begin by the clock')
    .description(
      'Schedules begin tasks by cron expressions. Whichever worker sees first that the time has come begins the task,\n' +
        'once; while it goes on the next one waits. `sallyport tasks kinds` lists what can be begun.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport schedules list
  sallyport schedules add nightly-sync --kind source-sync --cron '15 2 * * *' --zone Europe/Berlin \\
    --input '{"source":"hq"}' --jitter 600
  sallyport schedules run nightly-sync`,
    );
  const add = verbsOf(schedules, context, end);
  const named = (command: Command): Command => command.argument('<name>', 'its name');
  const withSpec = (command: Command): Command =>
    named(command)
      .option(
        '--cron <expression>',
        'minute, hour, day of month, month, day of week; a sixth in front: second',
      )
      .option('--zone <zone>', 'time zone, as in Europe/Berlin (default: UTC)')
      .option('--input <json>', 'what the task is given (default: null)')
      .addOption(
        new Option('--missed <what>', 'what becomes of runs whose time passed (default: once)').choices([
          'skip',
          'once',
          'all',
        ]),
      )
      .option('--keep <n>', 'of --missed all: the newest so many (default: 10)', wholeNumber(1, 1000))
      .option('--jitter <seconds>', 'begin later by up to so much', wholeNumber(0, 86_400))
      .option('--hosts <names>', 'workers or hosts on which it may run, with commas; localhost: any');

  add(
    'list',
    'which there are',
    'Lists schedules by name.',
    '  sallyport schedules list --json',
    (command) => command,
    () => async (_, command) => (await import('./run-schedules.ts')).runScheduleList(command),
  );
  add<AddOptions>(
    'add',
    'a new one',
    'Makes a schedule. A time that daylight saving leaves out happens when the clock has gone on; one that it\n' +
      'repeats happens once.',
    `  sallyport schedules add users-weekly --kind report --cron '0 6 * * 1' --input '{"of":"users","as":"html"}'\n` +
      `  sallyport schedules add keys --kind rotate-keys --cron '0 3 1 * *' --input '{"keptDays":365}' --missed once\n` +
      `  sallyport schedules add hq --kind source-sync --cron @hourly --input '{"source":"hq"}' --hosts worker-0,worker-1`,
    (command) => withSpec(command).requiredOption('--kind <kind>', 'the task'),
    ([name = ''], options) =>
      async (_, command) =>
        (await import('./run-schedules.ts')).runScheduleAdd(name, options, command),
  );
  add<AddOptions>(
    'set',
    'change one',
    'Changes what is given and leaves the rest.',
    `  sallyport schedules set nightly-sync --cron '45 1 * * *'`,
    (command) => withSpec(command).option('--kind <kind>', 'the task'),
    ([name = ''], options) =>
      async (_, command) =>
        (await import('./run-schedules.ts')).runScheduleSet(name, options, command),
  );
  add(
    'pause',
    'begin nothing for now',
    'Has a schedule begin nothing until it is resumed. What is missed meanwhile is left out.',
    '  sallyport schedules pause nightly-sync',
    named,
    ([name = '']) =>
      async (_, command) =>
        (await import('./run-schedules.ts')).runSchedulePause(name, true, command),
  );
  add(
    'resume',
    'go on',
    'Lets a schedule go on, with the next time after now.',
    '  sallyport schedules resume nightly-sync',
    named,
    ([name = '']) =>
      async (_, command) =>
        (await import('./run-schedules.ts')).runSchedulePause(name, false, command),
  );
  add(
    'run',
    'begin it now',
    'Begins the task of a schedule now, beside its times; not while its last one goes on.',
    '  sallyport schedules run nightly-sync',
    named,
    ([name = '']) =>
      async (_, command) =>
        (await import('./run-schedules.ts')).runScheduleRun(name, command),
  );
  add(
    'remove',
    'it is no more',
    'Removes a schedule. What it has begun goes on.',
    '  sallyport schedules remove nightly-sync',
    named,
    ([name = '']) =>
      async (_, command) =>
        (await import('./run-schedules.ts')).runScheduleRemove(name, command),
  );
  add<ReportOptions>(
    'report',
    'the file that a report has written',
    'Fetches what a task of the kind `report` has written: CSV, or by `"as":"html"` in its input a page that prints on\n' +
      'paper as it stands (or into a PDF, by any browser).',
    '  sallyport schedules report 4zT1Q0x2sV9mKf8aPq3LrA --out users.csv',
    (command) =>
      command
        .argument('<task>', 'the task')
        .requiredOption('--out <file>', 'where to; must not be there yet'),
    ([task = ''], options) =>
      async (_, command) =>
        (await import('./run-schedules.ts')).runReport(task, options, command),
  );
}
