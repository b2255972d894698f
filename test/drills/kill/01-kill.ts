import type { Step } from '../drill.ts';
import { signal } from '../targets.ts';

export const step: Step = async ({ mesh, victims, broken, mended }) => {
  await broken();
  await signal(mesh, victims, 'SIGKILL');
  // What was in flight is so at this moment; the supervisors do the rest.
  await mended();
};
