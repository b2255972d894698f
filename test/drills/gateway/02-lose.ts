import type { Step } from '../drill.ts';
import { signal } from '../targets.ts';

export const step: Step = async ({ mesh, victims, broken, mended, lastsMs, undo }) => {
  await broken();
  undo(() => {
    for (const { pod, part } of victims) mesh.kill(pod, part, 'SIGCONT');
  });
  signal(mesh, victims, lastsMs > 0 ? 'SIGSTOP' : 'SIGKILL');
  // What was in flight at a kill is so at this moment; one that hangs, hangs until the watchdog has found it.
  if (lastsMs === 0) await mended();
};
