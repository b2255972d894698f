import type { Step } from '../drill.ts';

export const step: Step = async ({ watch, mended }) => {
  // What it drains it may hold for seconds.
  await watch(5000);
  await mended();
};
