import type { Step } from '../drill.ts';
import { stepClock } from './clock-file.ts';

const minuteMs = 60_000;
/** Ahead of the machine's time, one after the other: the jumps between them are up to two hours, both ways. */
const aheadMs = [5 * minuteMs, -5 * minuteMs, 60 * minuteMs, -60 * minuteMs];
const holdMs = 3000;

export const step: Step = async ({ mesh, victims, broken, mended, undo, watch }) => {
  const [victim] = victims;
  if (victim === undefined) throw new Error('no pod was chosen');
  undo(() => stepClock(mesh.topology, victim.pod, 0));
  await broken();
  for (const ms of aheadMs) {
    await stepClock(mesh.topology, victim.pod, ms);
    await watch(holdMs);
  }
  await stepClock(mesh.topology, victim.pod, 0);
  await mended();
};
