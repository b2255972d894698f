import { type Command, Option } from 'commander';
import { verbsOf } from '../command.ts';
import type { CliContext } from '../context.ts';
import { withPages } from '../list.ts';
import type { SkipOptions, SubmitOptions } from './change-tasks.ts';
import type { TaskListOptions } from './read-tasks.ts';
import { stateNames } from './task-text.ts';

/** `tasks kinds`, `submit`, `list`, `show`, `watch`, `cancel`, `signal`, `retry` and `skip`. */
export function addTaskCommands(program: Command, context: CliContext, end: { code: number }): void {
  const tasks = program
    .command('tasks')
    .summary('work that survives')
    .description(
      'Tasks are run by workers, step by step; whatever dies, they go on where they were. What has an effect that was\n' +
        'begun is not done twice. `sallyport inbox` is for what they ask of people.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport tasks kinds
  sallyport tasks list --status dead
  sallyport tasks watch 4zT1Q0x2sV9mKf8aPq3LrA`,
    );
  const add = verbsOf(tasks, context, end);
  const ofTask = (command: Command): Command => command.argument('<id>', 'the task');

  add(
    'kinds',
    'what can be submitted',
    'Lists the kinds of tasks that workers know.',
    '  sallyport tasks kinds --json',
    (command) => command,
    () => async (_, command) => (await import('./read-tasks.ts')).runTaskKinds(command),
  );
  add<SubmitOptions>(
    'submit',
    'begin one',
    'Begins a task. The same --key is the same task, however often it is said: a script that is run again after a\n' +
      'crash gets the task that it has begun.',
    '  sallyport tasks submit onboarding --input new-colleague.json --watch\n' +
      `  echo '{"user":"otto"}' | sallyport tasks submit offboarding --input - --key leave-2041`,
    (command) =>
      command
        .argument('<kind>', 'what it is to do')
        .option('--input <file>', 'file with what it is given, as JSON; - is standard input (default: null)')
        .option('--key <key>', 'names this task: 8 to 80 of A-Z, a-z, 0-9, ., _ and - (default: new)')
        .option('--watch', 'then tell what happens, until it has ended'),
    ([kind = ''], options) =>
      async (_, command) =>
        (await import('./change-tasks.ts')).runTaskSubmit(kind, options, command),
  );
  add<TaskListOptions>(
    'list',
    'which there are',
    'Lists tasks, newest first.',
    '  sallyport tasks list --status dead\n  sallyport tasks list --kind onboarding --all --json',
    (command) =>
      withPages(command)
        .addOption(new Option('--status <status>', 'only those').choices([...stateNames]))
        .option('--kind <kind>', 'only of this kind')
        .option('--submitter <name>', "only somebody's: person/anna"),
    (_, options) => async (__, command) => (await import('./read-tasks.ts')).runTaskList(options, command),
  );
  add(
    'show',
    'one of them',
    'Shows a task and its history.',
    '  sallyport tasks show 4zT1Q0x2sV9mKf8aPq3LrA',
    ofTask,
    ([id = '']) =>
      async (_, command) =>
        (await import('./read-tasks.ts')).runTaskShow(id, command),
  );
  add(
    'watch',
    'what happens to it',
    'Tells the history of a task as it is written, until it has ended. Exits with 1 if it has not ended well.',
    '  sallyport tasks watch 4zT1Q0x2sV9mKf8aPq3LrA',
    ofTask,
    ([id = '']) =>
      async (_, command) =>
        (await import('./watch-task.ts')).runTaskWatch(id, command),
  );
  add(
    'cancel',
    'take it back',
    'Has a task, and those that it has begun, take back what they did.',
    '  sallyport tasks cancel 4zT1Q0x2sV9mKf8aPq3LrA',
    ofTask,
    ([id = '']) =>
      async (_, command) =>
        (await import('./change-tasks.ts')).runTaskCancel(id, command),
  );
  add(
    'signal',
    'give it a message',
    'Gives a task a message that it waits for, or will wait for; the first of a name counts.',
    '  sallyport tasks signal 4zT1Q0x2sV9mKf8aPq3LrA arrived \'"today"\'',
    (command) =>
      ofTask(command).argument('<name>', 'of the message').argument('[value]', 'as JSON (default: null)'),
    ([id = '', name = '', value = '']) =>
      async (_, command) =>
        (await import('./change-tasks.ts')).runTaskSignal(id, name, value, command),
  );
  add(
    'retry',
    'let a dead one go on',
    'Lets a task that was put aside go on where it stands.',
    '  sallyport tasks retry 4zT1Q0x2sV9mKf8aPq3LrA',
    ofTask,
    ([id = '']) =>
      async (_, command) =>
        (await import('./change-tasks.ts')).runTaskRetry(id, command),
  );
  add<SkipOptions>(
    'skip',
    'let a dead one go on past a step',
    'Lets a task that was put aside go on as if the step at which it stands had given --result.',
    "  sallyport tasks skip 4zT1Q0x2sV9mKf8aPq3LrA 'add to payroll' --result '\"by hand\"'",
    (command) =>
      ofTask(command)
        .argument('<step>', 'at which it stands')
        .option('--result <json>', 'what the step is to have given', 'null'),
    ([id = '', step = ''], options) =>
      async (_, command) =>
        (await import('./change-tasks.ts')).runTaskSkip(id, step, options, command),
  );
}
