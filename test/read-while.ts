import { SallyportError } from '#core/errors/error.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { Session } from '#sdk/session.ts';

export interface Reading {
  /** Pages that came whole, with status 200. */
  read: number;
  /** Why the others did not. */
  readonly failures: string[];
  /** Milliseconds of the one that took longest. */
  slowestMs: number;
}

const everyMs = 20;
const pagesAfter = 10;

/** Reads pages, one every 20 ms, from before `action` begins until some time after it has ended. */
export async function readWhile(
  session: Session,
  action: (reading: Readonly<Reading>) => Promise<unknown>,
): Promise<Reading> {
  const reading: Reading = { read: 0, failures: [], slowestMs: 0 };
  await readOne(session, reading);
  let over = false;
  const acting = action(reading).finally(() => {
    over = true;
  });
  // Looked at below, when the reading has ended.
  acting.catch(() => undefined);
  for (let left = pagesAfter; left > 0; ) {
    if (over) left -= 1;
    await readOne(session, reading);
    await systemClock.sleep(everyMs);
  }
  await acting;
  return reading;
}

async function readOne(session: Session, reading: Reading): Promise<void> {
  const start = performance.now();
  try {
    const response = await session.fetch('/news');
    await response.text();
    if (response.status === 200) reading.read += 1;
    else reading.failures.push(`status ${response.status} from ${response.proxy}`);
  } catch (thrown) {
    const { reason, message } = SallyportError.from(thrown);
    reading.failures.push(`${reason}: ${message}`);
  }
  reading.slowestMs = Math.max(reading.slowestMs, performance.now() - start);
}
