import type { Clock } from '#kernel/time/clock.ts';
import { Interrupted } from './context.ts';
import { exitCodes } from './failure.ts';

/** What of `process` is needed here. */
export interface SignalEvents {
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
  exit(code: number): void;
}

export interface Interrupts {
  readonly signal: AbortSignal;
  readonly onSecond: (run: () => void) => void;
  readonly close: () => void;
}

const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/**
 * One Ctrl-C under `npm start` comes twice, from the terminal and from npm, which passes it on; only what
 * comes so many milliseconds later is somebody's second.
 */
const sameMs = 500;

/** The first interrupt aborts the signal; a second one ends the process with 130, after `onSecond`'s work. */
export function listenForInterrupts(o: { events: SignalEvents; clock: Clock }): Interrupts {
  const abort = new AbortController();
  let firstAt: number | undefined;
  let atSecond = (): void => {};
  const listeners = names.map((name) => {
    const listener = (): void => {
      const now = o.clock.monotonic();
      if (firstAt === undefined) {
        firstAt = now;
        abort.abort(new Interrupted(name));
      } else if (now - firstAt >= sameMs) {
        atSecond();
        o.events.exit(exitCodes.interrupted);
      }
    };
    o.events.on(name, listener);
    return [name, listener] as const;
  });
  return {
    signal: abort.signal,
    onSecond: (run) => {
      atSecond = run;
    },
    close: () => {
      for (const [name, listener] of listeners) o.events.off(name, listener);
    },
  };
}
