import { type Command, InvalidArgumentError } from 'commander';
import { demoApp } from '#compose/demo/app.ts';
import { withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { ActivationOptions } from './create.ts';

/** `activation create` */
export function addActivationCommands(program: Command, context: CliContext, end: { code: number }): void {
  const activation = program
    .command('activation')
    .summary('let a device enrol')
    .description('Makes activation strings, with which a device enrols.')
    .addHelpText('after', '\nExamples:\n  sallyport activation create --user anna');

  const create = activationOutput(activation.command('create'))
    .summary('a one-time string for a device, as text and QR code')
    .description('Makes an activation string: one device can enrol with it, once. It is shown only now.')
    .requiredOption('--user <name>', 'whose device it is')
    .option('--app <id>', 'the app on it', demoApp.appId)
    .addHelpText(
      'after',
      `
Examples:
  sallyport activation create --user anna
  sallyport activation create --user anna --ttl 7d --output anna.txt
  sallyport activation create --user anna --no-qr | sallyport device enroll --activation-file -`,
    );
  withCommon<ActivationOptions>(create, 'activation create', context, end, async (options, command) => {
    const { runActivationCreate } = await import('./create.ts');
    return runActivationCreate(options, command);
  });
}

/** How long an activation string lives, and where it goes. */
export const activationOutput = (command: Command): Command =>
  command
    .option('--ttl <time>', 'how long it can be used: 90s, 30m, 8h, 7d at most', lifetime, 86_400)
    .option('--qr', 'draw it, too (default: on a terminal)')
    .option('--no-qr', 'never')
    .option('-o, --output <file>', 'into a new file that only its owner can read');

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const longest = 604_800;

/** Seconds. */
function lifetime(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(number) * (units[unit] ?? 0);
  if (seconds >= 1 && seconds <= longest) return seconds;
  throw new InvalidArgumentError('It must be a number with s, m, h or d, from 1s to 7d.');
}
