import { setTimeout as sleep } from 'node:timers/promises';
import type { Pipeline } from './pipeline.ts';

export interface Closable {
  /** Takes nothing new; resolves when what is in flight has ended. */
  stop(): Promise<void>;
  /** Cuts whatever is left; `stop` then resolves. */
  cut(): void;
}

/** How long calls whose signals were aborted have to send their last words, in milliseconds. */
const lastWordsMs = 500;

/** The end of a server: stop, wait, abort, wait a little, cut. */
export async function closeInOrder(pipeline: Pipeline, graceMs: number, server: Closable): Promise<void> {
  const stopped = server.stop();
  if (await within(stopped, graceMs)) return;
  pipeline.abortAll();
  if (await within(stopped, lastWordsMs)) return;
  server.cut();
  // grpc-js forgets those who wait when it is forced, so nobody waits for long.
  await within(stopped, lastWordsMs);
}

async function within(done: Promise<void>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(ms, false, { signal: timer.signal }).catch(() => false);
  const inTime = await Promise.race([done.then(() => true), late]);
  timer.abort();
  return inTime;
}
