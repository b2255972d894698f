import { writeFileSync } from 'node:fs';
import { type Clock, elapsed, instant } from '#kernel/time/clock.ts';

/**
 * How a session stands to others that want CPU at the same time, as values of nice(2): a ninth of what one at 0 gets,
 * the usual, or three times as much, for which privileges are needed.
 */
const niceOf = { modest: 10, usual: 0, first: -5 } as const;
/** Without privileges all processes together may change their groups ten times a second: sched(7). */
const againMs = 120;
const giveUpMs = 10_000;

/**
 * Has the processes of a session give way to those of other sessions, come before them, or neither any longer, where
 * Linux schedules by session (sched(7), "The autogroup feature") and allows it; elsewhere nothing happens. Unlike
 * nice(2) modesty can be taken back without privileges.
 * @param leader the session's leader, or any of its processes
 */
export async function setPrecedence(
  leader: number,
  precedence: keyof typeof niceOf,
  clock: Clock,
): Promise<void> {
  const start = instant(clock);
  for (;;) {
    try {
      writeFileSync(`/proc/${leader}/autogroup`, String(niceOf[precedence]));
      return;
    } catch (error) {
      const isBusy = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      // The process is gone, this system has no such thing, or we may not.
      if (!isBusy || elapsed(clock, start) > giveUpMs) return;
      await clock.sleep(againMs);
    }
  }
}
