import type { Step } from '../drill.ts';
import { hostOf } from '../hosts.ts';

export const step: Step = async ({ mesh, victims, network, broken, undo }) => {
  undo(() => network().heal());
  await broken();
  await network().isolate(hostOf(mesh, victims));
};
