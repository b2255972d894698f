import { readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#kernel/time/clock.ts';
import type { Log } from './log.ts';
import { loop } from './loop.ts';

/** Milliseconds between two looks; a certificate is replaced hours before it ends. */
const everyMs = 1000;

/** Calls `reload` whenever `<dir>/current` points elsewhere, until it succeeds. */
export async function watchTls(
  dir: string,
  reload: () => Promise<void>,
  o: { readonly clock: Clock; readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  let loaded = await target(dir);
  await loop(o.clock, everyMs, o.signal, async () => {
    const now = await target(dir);
    if (now === undefined || now === loaded) return;
    try {
      await reload();
      loaded = now;
      o.log('info', 'reloaded TLS', { certificate: now });
    } catch (error) {
      o.log('warn', 'reloading TLS failed', {
        error: error instanceof Error ? error.message : String(error),
      });
    }
  });
}

/** Where `current` points; undefined while it is missing. */
async function target(dir: string): Promise<string | undefined> {
  try {
    return await readlink(join(dir, 'current'));
  } catch {
    return await realpath(join(dir, 'current')).catch(() => undefined);
  }
}
