import type { Step } from '../drill.ts';

export const step: Step = async ({ mesh, victims, watch, mended }) => {
  for (const { pod, part } of victims) mesh.kill(pod, part, 'SIGCONT');
  await mended();
  await watch(2000);
};
