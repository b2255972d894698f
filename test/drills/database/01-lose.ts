import type { Step } from '../drill.ts';
import { signal } from '../targets.ts';

/** Relaying goes on for so long without a majority (DESIGN.md, "Know that you know"); then it is refused. */
const relayGoesOnMs = 15_000;

export const step: Step = async ({ mesh, victims, broken, undo }) => {
  const agents = victims.map(({ pod }) => ({ pod, part: 'process' as const }));
  undo(() => {
    for (const { pod } of agents) mesh.kill(pod, 'process', 'SIGCONT');
  });
  await broken(relayGoesOnMs);
  // An agent that hangs does not start its node again.
  await signal(mesh, agents, 'SIGSTOP');
  await signal(mesh, victims, 'SIGKILL');
};
