import { type Command, InvalidArgumentError, Option } from 'commander';
import { isPersonRole, type PersonRole, personRoles } from '#services/security/directory/roles.ts';
import { withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import { withPages } from '../list.ts';
import { addSyncCommand } from '../sources/commands.ts';
import type { UserAddOptions, UserPasswordOptions, UserRemoveOptions, UserSetOptions } from './change.ts';
import type { UserListOptions } from './read.ts';

/** `users list`, `show`, `add`, `set`, `disable`, `enable`, `passwd`, `sync` and `remove`. */
export function addUserCommands(program: Command, context: CliContext, end: { code: number }): void {
  const users = program
    .command('users')
    .summary('who there is, in which groups')
    .description(
      'The people that the mesh knows. A change that takes something away ends sessions at once. Passwords\n' +
        'come from a file, from SALLYPORT_PASSWORD, or are asked for; never from an argument.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport users list
  sallyport users add bert --groups staff,payroll
  sallyport users disable bert`,
    );

  const list = withPages(users.command('list'))
    .summary('who there is')
    .description('Lists users by name.')
    .option('--group <name>', 'only those of this group')
    .addOption(new Option('--role <role>', 'only those with this role').choices(personRoles))
    .option('--prefix <text>', 'only those whose names begin so')
    .addHelpText(
      'after',
      `
Examples:
  sallyport users list --group payroll
  sallyport users list --all --json | jq -r '.items[] | select(.disabled) | .name'`,
    );
  withCommon<UserListOptions>(list, 'users list', context, end, async (options, command) => {
    const { runUserList } = await import('./read.ts');
    return runUserList(options, command);
  });

  const show = users
    .command('show')
    .argument('<name>', 'the name to log in with')
    .summary('one user')
    .description('Shows what is known of a user, which is never a password.')
    .addHelpText('after', '\nExamples:\n  sallyport users show anna');
  withCommon(show, 'users show', context, end, async (_, command, [name = '']) => {
    const { runUserShow } = await import('./read.ts');
    return runUserShow(name, command);
  });

  const add = users
    .command('add')
    .argument('<name>', 'the name to log in with; case does not matter')
    .summary('a new user')
    .description('Makes a user. A password has at least 12 characters.')
    .option('--display-name <text>', 'the name to show')
    .option('--groups <names>', 'with commas between them', names)
    .option('--roles <roles>', `what the user may administer: ${personRoles.join(', ')}`, roles)
    .option('--password-file <file>', 'file whose first line is the password; - is standard input')
    .option('--no-password', 'none yet: the user cannot log in')
    .addHelpText(
      'after',
      `
Examples:
  sallyport users add bert --display-name 'Bert Berger' --groups staff,payroll
  sallyport users add carla --roles helpdesk --password-file carla.txt`,
    );
  withCommon<UserAddOptions>(add, 'users add', context, end, async (options, command, [name = '']) => {
    const { runUserAdd } = await import('./change.ts');
    return runUserAdd(name, options, command);
  });

  const set = users
    .command('set')
    .argument('<name>', 'the name to log in with')
    .summary('change name, groups or roles')
    .description('Changes what is given and leaves the rest. Other groups end all sessions of the user.')
    .option('--display-name <text>', 'the name to show')
    .option('--groups <names>', 'in place of all that there were', names)
    .option('--add-groups <names>', 'besides', names)
    .option('--remove-groups <names>', 'no longer', names)
    .option(
      '--roles <roles>',
      `in place of all that there were: ${personRoles.join(', ')}; '' for none`,
      roles,
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport users set bert --add-groups payroll
  sallyport users set carla --roles ''`,
    );
  withCommon<UserSetOptions>(set, 'users set', context, end, async (options, command, [name = '']) => {
    const { runUserSet } = await import('./change.ts');
    return runUserSet(name, options, command);
  });

  for (const [verb, disabled, summary, description] of [
    [
      'disable',
      true,
      'let a user in no more',
      'The user cannot log in, and all sessions end. Devices stay enrolled.',
    ],
    ['enable', false, 'let a user in again', 'The user can log in again.'],
  ] as const) {
    const command = users
      .command(verb)
      .argument('<name>', 'the name to log in with')
      .summary(summary)
      .description(description)
      .addHelpText('after', `\nExamples:\n  sallyport users ${verb} bert`);
    withCommon(command, `users ${verb}`, context, end, async (_, given, [name = '']) => {
      const { runUserDisabled } = await import('./change.ts');
      return runUserDisabled(name, disabled, given);
    });
  }

  const passwd = users
    .command('passwd')
    .argument('<name>', 'the name to log in with')
    .summary('another password')
    .description(
      'Gives a user another password, of at least 12 characters, and ends all sessions of the user.',
    )
    .option('--password-file <file>', 'file whose first line is the password; - is standard input')
    .addHelpText(
      'after',
      `
Examples:
  sallyport users passwd bert
  sallyport users passwd bert --password-file - < new-password.txt`,
    );
  withCommon<UserPasswordOptions>(
    passwd,
    'users passwd',
    context,
    end,
    async (options, command, [name = '']) => {
      const { runUserPassword } = await import('./change.ts');
      return runUserPassword(name, options, command);
    },
  );

  addSyncCommand(users, context, end);

  const remove = users
    .command('remove')
    .argument('<name>', 'the name to log in with')
    .summary('a user is no more')
    .description('Removes a user, and ends all sessions and enrolments of the user. It cannot be undone.')
    .option('--reason <text>', 'why, for the record', '')
    .addHelpText('after', "\nExamples:\n  sallyport users remove bert --reason 'has left'");
  withCommon<UserRemoveOptions>(
    remove,
    'users remove',
    context,
    end,
    async (options, command, [name = '']) => {
      const { runUserRemove } = await import('./change.ts');
      return runUserRemove(name, options, command);
    },
  );
}

const names = (text: string): string[] => [
  ...new Set(
    text
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  ),
];

function roles(text: string): PersonRole[] {
  return names(text).map((role) => {
    if (isPersonRole(role)) return role;
    throw new InvalidArgumentError(`"${role}" is not one of ${personRoles.join(', ')}.`);
  });
}
