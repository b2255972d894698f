import type { Step } from '../drill.ts';

export const step: Step = async ({ watch, lastsMs, mended }) => {
  await watch(lastsMs);
  await mended();
};
