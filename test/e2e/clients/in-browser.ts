import { mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { Bench } from '../bench.ts';
import { startProgram } from '../program.ts';

const pageMs = 60_000;

export interface Visit<T> {
  /** Path of the browser. */
  readonly chromium: string;
  readonly url: string;
  /** SHA-256 of the public keys of servers that it is to believe, in base64. */
  readonly trusted?: readonly string[];
  /** What the page has come to; undefined: nothing yet. */
  readonly outcome: () => T | undefined;
  /** Milliseconds that it may take; default 60,000. */
  readonly timeoutMs?: number;
  /** Is told the browser's process id. */
  readonly started?: (pid: number) => void;
}

/** Has a browser without a past open the address, until the page has come to something. */
export async function inBrowser<T>(
  { work, parts }: Pick<Bench, 'work' | 'parts'>,
  { chromium, url, trusted = [], outcome, timeoutMs = pageMs, started }: Visit<T>,
): Promise<T> {
  const profile = mkdtempSync(join(work, 'profile-'));
  const browser = startProgram(
    chromium,
    [
      '--headless',
      // It opens our own page only, and root, as in a container, cannot have Chromium's sandbox.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-first-run',
      // Nothing but this machine.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
      `--user-data-dir=${profile}`,
      // What a company would do by its device management: trust these two edges.
      `--ignore-certificate-errors-spki-list=${trusted.join(',')}`,
      // Keeps it running; nobody speaks on the pipe.
      '--remote-debugging-pipe',
      url,
    ],
    { env: { ...parts.env, HOME: profile, XDG_CACHE_HOME: profile, XDG_CONFIG_HOME: profile }, pipes: 2 },
  );
  started?.(browser.pid);
  try {
    const { found } = await waitFor<{ readonly found?: T } | undefined>(
      () => {
        const come = outcome();
        if (come !== undefined) return { found: come };
        return browser.ended() ? {} : undefined;
      },
      { timeoutMs, what: `${url} to be done in ${dirname(chromium)}` },
    );
    if (found === undefined) throw new Error('the browser ended');
    return found;
  } catch (error) {
    throw new Error(`${String(error)}\n${browser.said()}`, { cause: error });
  } finally {
    await browser.end();
    rmSync(profile, { recursive: true, force: true, maxRetries: 8, retryDelay: 100 });
  }
}
