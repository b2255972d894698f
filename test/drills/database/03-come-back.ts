import type { Step } from '../drill.ts';

export const step: Step = async ({ mesh, victims, watch, mended }) => {
  for (const { pod } of victims) mesh.kill(pod, 'process', 'SIGCONT');
  await mended();
  await watch(2000);
};
