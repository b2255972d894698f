import type { Step } from '../drill.ts';
import { primaryOf } from '../targets.ts';

export const step: Step = async ({ mesh, victims, watch, mended }) => {
  for (const { pod } of victims) mesh.kill(pod, 'process', 'SIGCONT');
  // Until there is a primary the failure goes on: what leases run out under is in flight at it.
  await primaryOf(mesh);
  await mended();
  await watch(2000);
};
