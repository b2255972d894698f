import type { Step } from '../drill.ts';
import { hostOf, othersThan } from '../hosts.ts';

export const step: Step = async ({ mesh, victims, network, broken, undo }) => {
  const host = hostOf(mesh, victims);
  undo(() => network().heal());
  await broken();
  await network().partition([host], othersThan(host));
};
