import type { CommonOptions } from '../command.ts';

/** Options of all device commands. */
export interface DeviceCommandOptions extends CommonOptions {
  /** Which of this machine's devices. */
  readonly name: string;
  /** Tell what the SDK does. */
  readonly verbose?: boolean;
  /** Where it is told instead; not an option of the command line. */
  readonly tell?: (line: string) => void;
}

export interface EnrollOptions extends DeviceCommandOptions {
  readonly user?: string;
  readonly app: string;
  readonly appVersion: string;
  readonly activationFile?: string;
  readonly force?: boolean;
}

export interface OpenOptions extends DeviceCommandOptions {
  readonly user?: string;
  readonly passwordFile?: string;
  readonly pinFile?: string;
  readonly newPinFile?: string;
}

export interface StepUpOptions extends DeviceCommandOptions {
  readonly passwordFile?: string;
  readonly pinFile?: string;
}

export interface GetOptions extends DeviceCommandOptions {
  readonly include?: boolean;
  readonly output?: string;
  readonly request?: string;
  readonly header?: readonly string[];
  readonly data?: string;
}
