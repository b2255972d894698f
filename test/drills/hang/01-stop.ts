import type { Step } from '../drill.ts';
import { signal } from '../targets.ts';

export const step: Step = async ({ mesh, victims, broken, undo }) => {
  await broken();
  undo(() => {
    for (const { pod, part } of victims) mesh.kill(pod, part, 'SIGCONT');
  });
  await signal(mesh, victims, 'SIGSTOP');
};
