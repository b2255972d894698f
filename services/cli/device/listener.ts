import { tellEvent } from '#compose/demo/phone.ts';
import type { SdkListener } from '#sdk/events.ts';
import type { CommandContext } from '../command.ts';
import type { DeviceCommandOptions } from './device-options.ts';

/** What the SDK does: to `tell`, or with --verbose on standard error. */
export function sdkListener(
  { verbose, tell }: Pick<DeviceCommandOptions, 'verbose' | 'tell'>,
  { err }: CommandContext,
): { listener?: SdkListener } {
  if (tell) return { listener: (event) => tell(tellEvent(event)) };
  return verbose === true ? { listener: (event) => err(`* ${tellEvent(event)}\n`) } : {};
}
