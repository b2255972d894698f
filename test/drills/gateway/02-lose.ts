import { podNamed } from '#compose/topology/query.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { Step } from '../drill.ts';
import { signal } from '../targets.ts';
import { judgeConnectorCalls, startConnectorCalls } from './connector-calls.ts';

/** For calls of connectors before and after. */
const besideMs = 2000;

export const step: Step = async (context) => {
  const { mesh, victims, broken, mended, watch, lastsMs, undo, figure } = context;
  const [victim] = victims;
  if (victim === undefined) throw new Error('nobody is to be lost');
  // Who dials out is not for tasks.
  const isDialled = podNamed(mesh.topology, victim.pod).gateway?.group === 'hr';
  const calls = isDialled ? startConnectorCalls(mesh, victim.pod) : undefined;
  undo(async () => void (await calls?.stop()));
  await watch(besideMs);
  await broken();
  undo(() => {
    for (const { pod, part } of victims) mesh.kill(pod, part, 'SIGCONT');
  });
  await signal(mesh, victims, lastsMs > 0 ? 'SIGSTOP' : 'SIGKILL');
  // What was in flight at a kill is so at this moment; one that hangs, hangs until the watchdog has found it.
  if (lastsMs === 0) await mended();
  await systemClock.sleep(besideMs);
  if (calls) judgeConnectorCalls(context, await calls.stop());
  await watch(lastsMs > 0 ? lastsMs - besideMs : 3000);
  if (lastsMs === 0) return;
  await mended();
  const hung = victims.filter(({ pod }) => mesh.told.some((line) => line.startsWith(`${pod} process hangs`)));
  figure({
    name: 'hung gateways that were killed and started again',
    value: hung.length,
    unit: '',
    atLeast: victims.length,
  });
};
