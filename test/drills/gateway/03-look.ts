import type { Step } from '../drill.ts';

export const step: Step = async ({ mesh, victims, watch, lastsMs, mended, figure }) => {
  await watch(lastsMs > 0 ? lastsMs : 5000);
  if (lastsMs > 0) await mended();
  const hung = victims.filter(({ pod }) => mesh.told.some((line) => line.startsWith(`${pod} process hangs`)));
  if (lastsMs > 0) {
    figure({
      name: 'hung gateways that were killed and started again',
      value: hung.length,
      unit: '',
      atLeast: victims.length,
    });
  }
};
