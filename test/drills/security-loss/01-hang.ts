import type { Step } from '../drill.ts';
import { monotonicMs } from '../history/recorder.ts';
import { signal } from '../targets.ts';

/** Of a lease (DESIGN.md, "Authorising a request"). */
const leaseMs = 10_000;
/** A lease in use has at least so much left. */
const relayGoesOnMs = 3000;
/** For what a lease has admitted to reach its backend. */
const onItsWayMs = 1000;

export const step: Step = async ({ mesh, victims, lastsMs, load, broken, undo, watch }) => {
  undo(() => {
    for (const { pod, part } of victims) mesh.kill(pod, part, 'SIGCONT');
  });
  await broken(relayGoesOnMs);
  await signal(mesh, victims, 'SIGSTOP');
  const stopped = monotonicMs();
  const [from, until] = [stopped + leaseMs + onItsWayMs, stopped + lastsMs];
  await load.silence({ from, until, why: 'all security pods had hung for longer than a lease lives' });
  await watch(lastsMs - (monotonicMs() - stopped));
};
