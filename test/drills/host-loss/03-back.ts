import type { Step } from '../drill.ts';
import { hostOf } from '../hosts.ts';

export const step: Step = async ({ mesh, victims, network, watch, mended }) => {
  await network().heal();
  network().signalAll(hostOf(mesh, victims), 'SIGCONT');
  await mended();
  await watch(5000);
};
