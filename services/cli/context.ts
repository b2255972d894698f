import type { Clock } from '#kernel/time/clock.ts';

/** What a command has of the world. */
export interface CliContext {
  readonly env: NodeJS.ProcessEnv;
  /** Relative paths in arguments are meant from here. */
  readonly cwd: string;
  /** Aborted, with an {@link Interrupted}, by Ctrl-C, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** What to do when a second one comes; the process ends with 130 after it. */
  readonly onSecondInterrupt: (run: () => void) => void;
  readonly clock: Clock;
  /** Standard output: what was asked for. */
  readonly out: (text: string) => void;
  /** The same for bytes; resolves when more may be written. @throws EPIPE when nobody reads it any more */
  readonly outBytes: (data: Uint8Array) => Promise<void>;
  /** Standard error: errors, and with --json everything that is meant for people. */
  readonly err: (text: string) => void;
}

/** Somebody ended the command before it was done. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor(by: string) {
    super(`interrupted by ${by}`);
  }
}
