import type { Step } from '../drill.ts';

export const step: Step = async ({ network, watch, mended }) => {
  await network().heal();
  await mended();
  await watch(5000);
};
