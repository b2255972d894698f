import { podsOf } from '#compose/topology/query.ts';
import type { Step } from '../drill.ts';

export const step: Step = async ({ mesh, signal, mended, watch }) => {
  await watch(2000);
  await mesh.scale('security', podsOf(mesh.topology, 'security').length - 1, { signal });
  await mended();
  await watch(2000);
};
