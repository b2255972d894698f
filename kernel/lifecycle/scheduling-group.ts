import { writeFileSync } from 'node:fs';
import { type Clock, elapsed, instant } from '#kernel/time/clock.ts';

/** What a process has that takes only what the others leave: a ninth of the CPU that one at 0 gets. */
const modestNice = 10;
/** Without privileges all processes together may change their groups ten times a second: sched(7). */
const againMs = 120;
const giveUpMs = 10_000;

/**
 * Has the processes of a session give way to those of other sessions, or not any longer, where Linux schedules by
 * session (sched(7), "The autogroup feature"); elsewhere nothing happens. Unlike nice(2) it can be taken back without
 * privileges.
 * @param leader the session's leader, or any of its processes
 */
export async function setModest(leader: number, modest: boolean, clock: Clock): Promise<void> {
  const start = instant(clock);
  for (;;) {
    try {
      writeFileSync(`/proc/${leader}/autogroup`, modest ? String(modestNice) : '0');
      return;
    } catch (error) {
      const isBusy = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      // The process is gone, or this system has no such thing.
      if (!isBusy || elapsed(clock, start) > giveUpMs) return;
      await clock.sleep(againMs);
    }
  }
}
