import type { Step } from '../drill.ts';
import { hostOf } from '../hosts.ts';

export const step: Step = async ({ mesh, victims, network, broken, undo, note }) => {
  const host = hostOf(mesh, victims);
  undo(async () => {
    network().signalAll(host, 'SIGCONT');
    await network().heal();
  });
  await broken();
  // First the cable: a host without power says goodbye to nobody.
  await network().linkDown(host);
  note(`${network().signalAll(host, 'SIGKILL')} processes of ${host} were killed`);
};
