import { rmSync } from 'node:fs';
import type { Step } from '../drill.ts';
import { ballast } from './disk.ts';

export const step: Step = async ({ mesh, watch, mended }) => {
  rmSync(ballast(mesh.stateDir));
  await mended();
  await watch(2000);
};
