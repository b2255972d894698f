import { constants } from 'node:os';
import { flushRepeats, type Logger } from '#kernel/log/logger.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { Lifecycle, type LifecycleOptions } from './lifecycle.ts';

/** What of `process` is needed here; tests bring their own. */
export interface ProcessEvents {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
  exit(code: number): void;
}

export interface RunOptions extends Omit<LifecycleOptions, 'clock'> {
  log: Logger;
  clock?: Clock;
  /** Default the real process. */
  events?: ProcessEvents;
}

const signals = ['SIGTERM', 'SIGINT'] as const;

/**
 * Runs a process: `main` starts its parts through the lifecycle and returns; the process then lives until
 * SIGTERM or SIGINT, stops in order, and exits with 0. A second signal ends it at once. What nobody caught,
 * and a `main` that fails, is logged as fatal and ends it with 1.
 * @returns the exit code, after the exit was asked for (which matters in tests only).
 */
export async function runProcess(
  main: (life: Lifecycle) => Promise<void>,
  options: RunOptions,
): Promise<number> {
  const { log } = options;
  const events: ProcessEvents = options.events ?? process;
  const life = new Lifecycle(options);
  const end = Promise.withResolvers<number>();
  // Without a server or a timer Node would end by itself before anybody asked.
  const alive = setInterval(() => {}, 2 ** 30);
  let ended = false;
  const exit = (code: number): void => {
    if (ended) return;
    ended = true;
    clearInterval(alive);
    flushRepeats(log);
    for (const [event, listener] of listeners) events.off(event, listener);
    end.resolve(code);
    events.exit(code);
  };

  let signalled = false;
  const onSignal = (signal: (typeof signals)[number]) => (): void => {
    if (signalled) {
      log.warn({ signal }, 'second signal: ending at once');
      exit(128 + constants.signals[signal]);
      return;
    }
    signalled = true;
    void life.stop(signal).then(() => exit(0));
  };
  const onUncaught =
    (kind: string) =>
    (error: unknown): void => {
      log.fatal({ err: error, kind }, 'nobody caught this; the state of the process is unknown, so it ends');
      exit(1);
    };
  const listeners: [string, (...args: unknown[]) => void][] = [
    ...signals.map((signal): [string, () => void] => [signal, onSignal(signal)]),
    ['uncaughtException', onUncaught('exception')],
    ['unhandledRejection', onUncaught('rejection')],
  ];
  for (const [event, listener] of listeners) events.on(event, listener);

  try {
    await main(life);
    life.running();
  } catch (err) {
    if (life.stopping.aborted) {
      log.info({ err }, 'the start was given up, since the process is stopping');
    } else {
      log.fatal({ err }, 'could not start');
      await life.stop('the start failed');
      exit(1);
    }
  }
  return end.promise;
}
