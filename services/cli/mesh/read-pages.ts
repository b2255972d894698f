import type { Phone } from '#compose/demo/phone.ts';
import { SallyportError } from '#core/errors/error.ts';

export interface Reading {
  /** Pages that came whole and with status 200. */
  readonly read: number;
  /** Why the others did not. */
  readonly failures: readonly string[];
  /** The longest that one page took, in milliseconds. */
  readonly slowestMs: number;
}

export interface ReadingOptions {
  /** So many at least. */
  readonly pages: number;
  /** And then until this is true; default: no longer. */
  readonly until?: () => boolean;
  readonly signal: AbortSignal;
}

const paths = ['/', '/news', '/whoami', '/big?bytes=100000'];
/** A mesh that does not become whole ends the wait itself, after some 150 s; this bounds the reading. */
const maxPages = 100_000;

/** Reads pages of the demo's intranet one after the other. @throws the signal's reason, and nothing else */
export async function readPages(phone: Phone, o: ReadingOptions): Promise<Reading> {
  const failures: string[] = [];
  let read = 0;
  let slowestMs = 0;
  for (let n = 0; n < o.pages || (o.until?.() === false && n < maxPages); n++) {
    o.signal.throwIfAborted();
    const path = paths[n % paths.length] ?? '/';
    const start = performance.now();
    try {
      const { response } = await phone.read(path, { signal: o.signal });
      if (response.status === 200) read += 1;
      else failures.push(`${path}: status ${response.status}`);
    } catch (thrown) {
      o.signal.throwIfAborted();
      const { reason, message } = SallyportError.from(thrown);
      failures.push(`${path}: ${reason} ${message}`);
    }
    slowestMs = Math.max(slowestMs, performance.now() - start);
  }
  return { read, failures, slowestMs };
}
