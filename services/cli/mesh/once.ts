import { SallyportError } from '#core/errors/error.ts';
import type { CommandContext } from '../command.ts';
import type { Outcome } from '../report.ts';
import type { UpOptions } from './up-options.ts';

export function runOnce(_options: UpOptions, _command: CommandContext): Promise<Outcome> {
  return Promise.reject(new SallyportError('UNKNOWN_METHOD', { message: 'not yet' }));
}
