import type { Step } from '../drill.ts';
import { hostOf } from '../hosts.ts';

/** Milliseconds between two looks for what has been started again. */
const everyMs = 100;

export const step: Step = async ({ mesh, victims, network, watch, lastsMs }) => {
  const host = hostOf(mesh, victims);
  const end = performance.now() + lastsMs;
  while (performance.now() < end) {
    // Whoever starts them again here is gone with a host of its own; they are not to take CPU from those that live.
    network().signalAll(host, 'SIGSTOP');
    await watch(everyMs);
  }
};
