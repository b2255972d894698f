import type { CommandContext } from '../command.ts';
import { UsageError } from '../failure.ts';
import type { Outcome } from '../report.ts';
import { runOnce } from './once.ts';
import { upInBackground } from './up-background.ts';
import { upInForeground } from './up-foreground.ts';
import type { UpOptions } from './up-options.ts';
import { refuseIfRunning, wipe } from './wipe.ts';

/** `sallyport up` */
export async function runUp(options: UpOptions, command: CommandContext): Promise<Outcome> {
  if (options.once && options.wipe && options.state === undefined) {
    throw new UsageError('--once has a folder of its own, empty', 'leave --wipe out, or name a --state');
  }
  if (options.wipe) {
    refuseIfRunning(command.stateDir);
    await wipe(command.stateDir, command.report.progress);
  }
  if (options.once) return runOnce(options, command);
  return options.foreground ? upInForeground(options, command) : upInBackground(options, command);
}
