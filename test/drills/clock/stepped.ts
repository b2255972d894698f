/**
 * Loaded into a process before its own code (`node --import file:///…/stepped.ts?file=FILE`): its wall clock is ahead
 * by as many milliseconds as FILE says, from one moment to the next, as after a step by NTP or an operator. All of
 * its code sees that, libraries included; monotonic time and timers go on. `FILE.seen` says what is in force.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const lookEveryMs = 50;

const file = new URL(import.meta.url).searchParams.get('file');
if (file === null) throw new Error('it is not said which file holds the offset');

const realNow = Date.now.bind(Date);
let aheadMs = 0;
Date.now = () => realNow() + aheadMs;
globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [target.now()] : args, newTarget),
});

function look(path: string): void {
  let said = 0;
  try {
    said = Number(readFileSync(path, 'utf8'));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  if (said === aheadMs || !Number.isInteger(said)) return;
  aheadMs = said;
  if (!isMainThread) return;
  writeFileSync(`${path}.seen.new`, String(said));
  renameSync(`${path}.seen.new`, `${path}.seen`);
}

look(file);
setInterval(look, lookEveryMs, file).unref();
