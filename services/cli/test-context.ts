import { systemClock } from '#kernel/time/system-clock.ts';
import type { CliContext } from './context.ts';

/** A world for specs: nothing of the real one, and what was written is kept. */
export function testContext(given: Partial<CliContext> = {}) {
  const written = { out: '', err: '' };
  const context: CliContext = {
    env: {},
    cwd: '/nowhere',
    signal: new AbortController().signal,
    onSecondInterrupt: () => {},
    clock: systemClock,
    out: (text) => {
      written.out += text;
    },
    outBytes: async (data) => {
      written.out += Buffer.from(data).toString('utf8');
    },
    err: (text) => {
      written.err += text;
    },
    ...given,
  };
  return { context, written };
}
