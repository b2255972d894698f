import type { Clock, Timer } from './clock.ts';

/** The longest delay that a Node timer takes; longer ones would fire at once. */
const longestDelayMs = 2 ** 31 - 1;

function setLongTimer(ms: number, run: () => void, keepAlive: boolean): Timer {
  let left = Math.max(0, ms);
  let handle: NodeJS.Timeout;
  const arm = (): void => {
    const part = Math.min(left, longestDelayMs);
    left -= part;
    handle = setTimeout(() => (left > 0 ? arm() : run()), part);
    if (!keepAlive) handle.unref();
  };
  arm();
  return { cancel: () => clearTimeout(handle) };
}

/** The real time of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const abort = (): void => {
        timer.cancel();
        reject(signal?.reason);
      };
      const timer = setLongTimer(
        ms,
        () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
        true,
      );
      signal?.addEventListener('abort', abort, { once: true });
    }),
  setTimer: (ms, run) => setLongTimer(ms, run, false),
  setRepeating: (ms, run) => {
    const handle = setInterval(run, Math.min(Math.max(1, ms), longestDelayMs)).unref();
    return { cancel: () => clearInterval(handle) };
  },
};
