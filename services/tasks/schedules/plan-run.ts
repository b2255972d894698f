import { createHash } from 'node:crypto';
import type { Cron } from './cron.ts';

/** What becomes of runs whose time passed while nobody could begin them, or while the one before was still going on. */
export type Missed =
  /** They are left out. */
  | 'skip'
  /** The last of them is made up for. */
  | 'once'
  /** Each is made up for, one after the other. */
  | 'all';

export interface RunRules {
  readonly missed: Missed;
  /** Of `all`: the newest so many; 1 to 1,000. */
  readonly keep: number;
  /** Milliseconds by which a run begins later at most, so that not all begin on the hour. */
  readonly jitterMs: number;
}

export interface RunPlan {
  /** The time for which a run begins now; undefined: none does. */
  readonly run: number | undefined;
  /** The time after that; undefined: there is none. */
  readonly next: number | undefined;
}

/** Milliseconds by which a run may be late and is not missed yet: a database fails over within it. */
const graceMs = 60_000;

/** By how much the run of that time is put off: the same for whoever asks. */
export function jitterOf(name: string, plannedMs: number, jitterMs: number): number {
  if (jitterMs === 0) return 0;
  const digest = createHash('sha256').update(`${name}\0${plannedMs}`).digest();
  return Math.floor((digest.readUInt32BE() / 2 ** 32) * jitterMs);
}

/** @param plannedMs the earliest time that nothing has become of, which is over */
export function planRun(
  cron: Cron,
  name: string,
  { missed, keep, jitterMs }: RunRules,
  plannedMs: number,
  nowMs: number,
): RunPlan {
  if (missed === 'all') {
    const newest = cron.lastBefore(nowMs + 1, keep);
    const run = Math.max(plannedMs, newest.at(-1) ?? plannedMs);
    return { run, next: cron.next(run) };
  }
  const last = Math.max(plannedMs, cron.lastBefore(nowMs + 1, 1)[0] ?? plannedMs);
  const lateMs = nowMs - last - jitterOf(name, last, jitterMs);
  const run = missed === 'skip' && lateMs > graceMs ? undefined : last;
  return { run, next: cron.next(Math.max(nowMs, last)) };
}
