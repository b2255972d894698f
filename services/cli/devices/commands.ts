import type { Command } from 'commander';
import { activationOutput } from '../activation/commands.ts';
import { withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import { withPages } from '../list.ts';
import { withWait } from '../sessions/commands.ts';
import type {
  DeviceEndOptions,
  DeviceListOptions,
  DeviceReplaceOptions,
  UnblockOptions,
} from './run-devices.ts';

/** `devices list`, `show`, `rename`, `block`, `unblock`, `wipe` and `replace`. */
export function addDevicesCommands(program: Command, context: CliContext, end: { code: number }): void {
  const devices = program
    .command('devices')
    .summary('see, block and replace enrolled devices')
    .description(
      'Looks after enrolled devices: as an administrator after all of them, and as any person who is logged in\n' +
        '(`sallyport login`) after your own. A device id that begins with - goes after --.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport devices list --user anna
  sallyport devices block --reason 'left in a taxi' 2PGqC6nwWmkvX8XnrFWAoQ
  sallyport devices replace 2PGqC6nwWmkvX8XnrFWAoQ`,
    );

  const list = withPages(devices.command('list'))
    .summary('enrolled devices')
    .description(
      'Lists devices, newest first, with the app and when they were last seen: to within a minute.',
    )
    .option('--user <name>', 'only those of this user')
    .option('--revoked', 'also those that are enrolled no more')
    .addHelpText(
      'after',
      `
Examples:
  sallyport devices list
  sallyport devices list --user anna --revoked
  sallyport devices list --all --json | jq -r '.items[] | select(.appVersion < "1.2") | .user'`,
    );
  withCommon<DeviceListOptions>(list, 'devices list', context, end, async (options, command) => {
    const { runDevicesList } = await import('./run-devices.ts');
    return runDevicesList(options, command);
  });

  const one = (name: string): Command =>
    devices.command(name).argument('<device id>', 'as `devices list` gives it');

  const show = one('show')
    .summary('one device')
    .description('Shows all that is known of a device, its posture as of its last session included.')
    .addHelpText('after', '\nExamples:\n  sallyport devices show 2PGqC6nwWmkvX8XnrFWAoQ');
  withCommon(show, 'devices show', context, end, async (_, command, [id = '']) => {
    const { runDeviceShow } = await import('./run-devices.ts');
    return runDeviceShow(id, command);
  });

  const rename = one('rename')
    .argument('<name>', 'what people call it')
    .summary('give a device another name')
    .description('Gives a device another name for people to recognise it by.')
    .addHelpText(
      'after',
      "\nExamples:\n  sallyport devices rename 2PGqC6nwWmkvX8XnrFWAoQ 'phone of the night shift'",
    );
  withCommon(rename, 'devices rename', context, end, async (_, command, [id = '', name = '']) => {
    const { runDeviceRename } = await import('./run-devices.ts');
    return runDeviceRename(id, name, command);
  });

  const block = withWait(one('block'))
    .summary('let a device open no sessions, and end those it has')
    .description(
      'Ends the sessions of a device and lets it open none until it is unblocked. It stays enrolled. Codes by\n' +
        'which it was to be replaced are void. For ever: `sallyport keys revoke`.',
    )
    .option('--reason <text>', 'why, for the record', '')
    .addHelpText(
      'after',
      "\nExamples:\n  sallyport devices block --reason 'left in a taxi' 2PGqC6nwWmkvX8XnrFWAoQ",
    );
  withCommon<DeviceEndOptions>(block, 'devices block', context, end, async (options, command, [id = '']) => {
    const { runDeviceBlock } = await import('./run-devices.ts');
    return runDeviceBlock(id, options, command);
  });

  const unblock = devices
    .command('unblock')
    .argument('[device]', 'its device id')
    .summary('let it open sessions again')
    .description('Lifts a block. Whoever is no administrator can lift only a block of their own.')
    .option('--blocked-by <name>', 'all that were blocked by this one, such as a restore')
    .addHelpText(
      'after',
      `
Examples:
  sallyport devices unblock 2PGqC6nwWmkvX8XnrFWAoQ
  sallyport devices unblock --blocked-by restore/era-2`,
    );
  withCommon<UnblockOptions>(unblock, 'devices unblock', context, end, async (options, command, [id]) => {
    const { runDeviceUnblock } = await import('./run-devices.ts');
    return runDeviceUnblock(id, options, command);
  });

  const wipe = withWait(one('wipe'))
    .summary('end the sessions of a device')
    .description(
      'Ends all sessions of a device. The SDK overwrites their keys on the device as soon as it hears of it. Its\n' +
        'user can log in again.',
    )
    .option('--reason <text>', 'why, for the record', '')
    .addHelpText('after', '\nExamples:\n  sallyport devices wipe 2PGqC6nwWmkvX8XnrFWAoQ');
  withCommon<DeviceEndOptions>(wipe, 'devices wipe', context, end, async (options, command, [id = '']) => {
    const { runDeviceWipe } = await import('./run-devices.ts');
    return runDeviceWipe(id, options, command);
  });

  const replace = activationOutput(one('replace'))
    .summary('a one-time string for the device that takes its place')
    .description(
      'Makes an activation string for the same user and app. The enrolment and the sessions of the old device\n' +
        'end when the new one enrols with it, and not before.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  sallyport devices replace --ttl 1h --output anna.txt 2PGqC6nwWmkvX8XnrFWAoQ',
    );
  withCommon<DeviceReplaceOptions>(
    replace,
    'devices replace',
    context,
    end,
    async (options, command, [id = '']) => {
      const { runDeviceReplace } = await import('./run-devices.ts');
      return runDeviceReplace(id, options, command);
    },
  );
}
