import type { Step } from '../drill.ts';
import { kill } from '../targets.ts';

export const step: Step = async ({ mesh, victims, broken, mended }) => {
  await broken();
  await kill(mesh, victims);
  // What was in flight is so at this moment; the supervisors do the rest.
  await mended();
};
