import { Cron as Croner } from 'croner';
import { SallyportError } from '#core/errors/error.ts';

/** Times at which something is to happen, Unix milliseconds; whole seconds. */
export interface Cron {
  /** The first one after; undefined: never again. */
  next(afterMs: number): number | undefined;
  /** The last ones before, latest first. */
  lastBefore(beforeMs: number, count: number): readonly number[];
}

/**
 * A cron expression of five fields, or six with seconds in front, or one like @daily, in a time zone (IANA). A time that daylight saving
 * leaves out happens when the clock has gone on; one that it repeats happens once, the first time.
 * @throws SCHEDULE_INVALID
 */
export function parseCron(expression: string, timeZone: string): Cron {
  try {
    // The library takes single dates and years, too.
    if (!/^@\w+$|^\s*(\S+\s+){4,5}\S+\s*$/.test(expression)) throw new Error('it has five fields, or six');
    const cron = new Croner(expression, { timezone: timeZone, paused: true });
    // Whether there is such a time zone shows only in use.
    if (cron.nextRun() === null) throw new Error('there is no such time');
    return {
      next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime(),
      lastBefore: (beforeMs, count) =>
        cron.previousRuns(count, new Date(beforeMs)).map((each) => each.getTime()),
    };
  } catch (cause) {
    throw new SallyportError('SCHEDULE_INVALID', {
      message: `"${expression}" in ${timeZone}: ${(cause instanceof Error ? cause.message : String(cause)).slice(0, 200)}`,
      cause,
    });
  }
}
