import type { Step } from '../drill.ts';

export const step: Step = async ({ mesh, victims, watch, mended }) => {
  // Some hung processes have been killed meanwhile by those who watch over them, and started again.
  for (const { pod, part } of victims) mesh.kill(pod, part, 'SIGCONT');
  await mended();
  await watch(2000);
};
