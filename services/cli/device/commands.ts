import type { Command } from 'commander';
import { demoApp } from '#compose/demo/app.ts';
import { withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import type {
  DeviceCommandOptions,
  EnrollOptions,
  GetOptions,
  OpenOptions,
  StepUpOptions,
} from './device-options.ts';

/** `device enroll`, `open`, `get` and `close`. */
export function addDeviceCommands(program: Command, context: CliContext, end: { code: number }): void {
  const device = program
    .command('device')
    .summary('be a phone: enrol, log in, read pages')
    .description(
      'Makes this machine a phone of the running mesh. What a phone keeps lies in <state>/devices/<name>.json,\n' +
        'readable by its owner only. Passwords and activation strings are never taken from arguments.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport device enroll --user anna
  sallyport device open --password-file .sallyport/secrets/demo-password
  sallyport device get /whoami
  sallyport device close`,
    );
  const add = (name: string): Command =>
    device
      .command(name)
      .option('--name <device>', "which of this machine's devices", 'phone')
      .option('-v, --verbose', 'tell on standard error what the SDK does');

  const enroll = add('enroll')
    .summary('agree a key with the security tier')
    .description(
      'Enrols a device with an activation string; without one, makes an activation with the certificate of\n' +
        'the operator first.',
    )
    .option('--user <name>', 'for whom (default: the user of the demo)')
    .option('--app <id>', 'the app on the phone', demoApp.appId)
    .option('--app-version <version>', 'its version, which policies may look at', demoApp.version)
    .option('--activation-file <file>', 'file with an activation string; - is standard input')
    .option('--force', 'also when this machine has a device of that name: its enrolment is replaced')
    .addHelpText(
      'after',
      `
Examples:
  sallyport device enroll --user anna
  sallyport device enroll --name old-phone --app-version 1.1.0
  sallyport device enroll --activation-file - < activation.txt`,
    );
  withCommon<EnrollOptions>(enroll, 'device enroll', context, end, async (options, command) => {
    const { runEnroll } = await import('./enroll.ts');
    return runEnroll(options, command);
  });

  const open = add('open')
    .summary('log in')
    .description(
      'Opens a session. The password comes from a file, from SALLYPORT_PASSWORD, or is asked for. A device that has\n' +
        'a PIN opens sessions by it, too; with both the session is of authentication level 2.',
    )
    .option(
      '--user <profile>',
      'who logs in (default: for whom the device is enrolled), and as user@site at which site',
    )
    .option('--password-file <file>', 'file whose first line is the password; - is standard input')
    .option('--pin-file <file>', 'file with the PIN of the device: then no password is asked for')
    .option('--new-pin-file <file>', 'file with a PIN that the device gets, 6 to 32 letters and digits')
    .addHelpText(
      'after',
      `
Examples:
  sallyport device open
  sallyport device open --new-pin-file pin.txt
  sallyport device open --user anna@slave        at the slave site's proxies
  sallyport device open --password-file .sallyport/secrets/demo-password`,
    );
  withCommon<OpenOptions>(open, 'device open', context, end, async (options, command) => {
    const { runOpen } = await import('./open.ts');
    return runOpen(options, command);
  });

  const stepUp = add('step-up')
    .summary('prove in another way who you are')
    .description(
      'Raises the session to authentication level 2, for resources whose rules ask for it (minAuthLevel): with the\n' +
        'PIN a session that was opened with a password, with the password one that was opened with the PIN.',
    )
    .option('--pin-file <file>', 'file with the PIN of the device')
    .option('--password-file <file>', 'file with the password; - is standard input')
    .addHelpText('after', '\nExamples:\n  sallyport device step-up --pin-file pin.txt');
  withCommon<StepUpOptions>(stepUp, 'device step-up', context, end, async (options, command) => {
    const { runStepUp } = await import('./open.ts');
    return runStepUp(options, command);
  });

  const get = add('get')
    .argument('<url>', 'path of a page of the demo intranet, or a whole URL')
    .summary('read a page')
    .description('Sends one request through the mesh. Exit code 1 when the status is 400 or more.')
    .option('-i, --include', 'status and headers before the body')
    .option('-o, --output <file>', 'the body into a file')
    .option('-X, --request <method>', 'default GET, with --data POST')
    .option('-H, --header <line...>', 'a header of the request, "name: value"')
    .option('-d, --data <text>', 'the body of the request')
    .addHelpText(
      'after',
      `
Examples:
  sallyport device get /news
  sallyport device get --verbose --include /whoami
  sallyport device get -o big.bin '/big?bytes=50000000'
  sallyport device get -d 'hello' /echo`,
    );
  withCommon<GetOptions>(get, 'device get', context, end, async (options, command, [url = '/']) => {
    const { runGet } = await import('./get.ts');
    return runGet(options, command, url);
  });

  const close = add('close')
    .summary('log out')
    .description('Ends the session everywhere. The device stays enrolled.')
    .addHelpText('after', '\nExamples:\n  sallyport device close');
  withCommon<DeviceCommandOptions>(close, 'device close', context, end, async (options, command) => {
    const { runClose } = await import('./open.ts');
    return runClose(options, command);
  });
}
