import type { Command } from 'commander';
import { withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import { withPages } from '../list.ts';
import type { KeyListOptions, KeyRevokeOptions } from './run-keys.ts';

/** `keys list`, `rotate`, `revoke`, `root-status` and `root-rotate`. */
export function addKeyCommands(program: Command, context: CliContext, end: { code: number }): void {
  const keys = program
    .command('keys')
    .summary('see and end enrolments; rotate keys')
    .description(
      'A shared key belongs to one enrolled device; its route key names it. The root key wraps all that rests\n' +
        'in the database. A route key that begins with - goes after --.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport keys list --user anna
  sallyport keys revoke --reason 'phone was stolen' fkCSY5sX0HmjbMDEAcZ7Wg
  sallyport keys root-status`,
    );

  const list = withPages(keys.command('list'))
    .summary('enrolled devices')
    .description('Lists enrolments, newest first. Keys themselves are never shown.')
    .option('--user <name>', 'only those of this user')
    .option('--revoked', 'also revoked ones')
    .addHelpText(
      'after',
      `
Examples:
  sallyport keys list
  sallyport keys list --user anna --revoked
  sallyport keys list --all --json | jq '.items | length'`,
    );
  withCommon<KeyListOptions>(list, 'keys list', context, end, async (options, command) => {
    const { runKeyList } = await import('./run-keys.ts');
    return runKeyList(options, command);
  });

  const rotate = keys
    .command('rotate')
    .argument('<route key>', 'as `keys list` gives it')
    .summary('have a device agree a new shared key')
    .description('The device agrees the new key when it next logs in. Nobody has to enrol again.')
    .addHelpText('after', '\nExamples:\n  sallyport keys rotate fkCSY5sX0HmjbMDEAcZ7Wg');
  withCommon(rotate, 'keys rotate', context, end, async (_, command, [routeKey = '']) => {
    const { runKeyRotate } = await import('./run-keys.ts');
    return runKeyRotate(routeKey, command);
  });

  const revoke = keys
    .command('revoke')
    .argument('<route key>', 'as `keys list` gives it')
    .summary('end an enrolment and its sessions')
    .description('Ends an enrolment for ever, and all its sessions. The device can enrol anew.')
    .option('--reason <text>', 'why, for the record', '')
    .addHelpText(
      'after',
      "\nExamples:\n  sallyport keys revoke --reason 'phone was stolen' fkCSY5sX0HmjbMDEAcZ7Wg",
    );
  withCommon<KeyRevokeOptions>(
    revoke,
    'keys revoke',
    context,
    end,
    async (options, command, [routeKey = '']) => {
      const { runKeyRevoke } = await import('./run-keys.ts');
      return runKeyRevoke(routeKey, options, command);
    },
  );

  const status = keys
    .command('root-status')
    .summary('how far a rotation of the root key has come')
    .description(
      'Tells the newest root key, and how many data keys are wrapped under it and under older ones.',
    )
    .addHelpText('after', '\nExamples:\n  sallyport keys root-status --json');
  withCommon(status, 'keys root-status', context, end, async (_, command) => {
    const { runRootKey } = await import('./run-keys.ts');
    return runRootKey(false, command);
  });

  const rotateRoot = keys
    .command('root-rotate')
    .summary('wrap all data keys under the newest root key')
    .description(
      'Give the security pods the new root key first (rootKey in their configuration). May be repeated; exit\n' +
        'code 1 while data keys are left under an older one.',
    )
    .addHelpText('after', '\nExamples:\n  sallyport keys root-rotate');
  withCommon(rotateRoot, 'keys root-rotate', context, end, async (_, command) => {
    const { runRootKey } = await import('./run-keys.ts');
    return runRootKey(true, command);
  });
}
