import type { Step } from '../drill.ts';
import { signal } from '../targets.ts';

export const step: Step = async ({ mesh, victims, broken }) => {
  await broken();
  await signal(mesh, victims, 'SIGTERM');
};
