import type { ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';

const { PRIORITY_LOW } = constants.priority;
/** For what must not wait long, since nothing is stored meanwhile: bringing the log. */
const shipping = 10;

/**
 * Makes this process one that others come before: what it does on its own thread a little, so that the log is brought in
 * time, and what its other threads do (compressing, files) as much as can be. A thread of Linux has a priority of its own.
 */
export function yieldToOthers(): void {
  setPriority(shipping);
  if (process.platform !== 'linux') return;
  for (const thread of readdirSync('/proc/self/task').map(Number)) {
    if (thread !== process.pid) setPriority(thread, PRIORITY_LOW);
  }
}

/** A child of a process that yields to others yields as much as can be; one of a command that somebody waits for does not. */
export function yieldIfWeDo(child: ChildProcess): void {
  if (child.pid !== undefined && child.exitCode === null && getPriority() > 0)
    setPriority(child.pid, PRIORITY_LOW);
}
