import type { Step } from '../drill.ts';
import { between, chosen } from '../random.ts';
import { signal, targets } from '../targets.ts';

const failures = 8;
const signals = ['SIGKILL', 'SIGSTOP', 'SIGTERM'] as const;

export const step: Step = async ({ mesh, random, broken, mended, watch, undo, note }) => {
  let databases = 0;
  for (let n = 0; n < failures; n++) {
    // A group that has lost one node must have it back before it may lose another.
    const target = chosen(
      random,
      targets.filter(({ database }) => database === undefined || databases === 0),
    );
    if (target.database !== undefined) databases += 1;
    const name = chosen(random, signals);
    const lastsMs = name === 'SIGSTOP' ? between(random, 500, 6000) : 0;
    const pauseMs = between(random, 500, 4000);
    const victims = await target.choose(mesh, random);
    const [{ pod, part } = { pod: '', part: 'process' }] = victims;
    note(`${name} ${pod} ${part}${lastsMs > 0 ? ` for ${lastsMs} ms` : ''}, then ${pauseMs} ms`);
    // What was killed a moment ago may be hit again only when it runs.
    if (!mesh.processes().some((each) => each.name === `${pod} ${part}`)) {
      note('it was not running, so it was left alone');
      continue;
    }
    await broken();
    undo(() => void (lastsMs > 0 && mesh.kill(pod, part as 'process', 'SIGCONT')));
    await signal(mesh, victims, name);
    if (lastsMs > 0) {
      await watch(lastsMs);
      for (const each of victims) mesh.kill(each.pod, each.part, 'SIGCONT');
    }
    await mended();
    await watch(pauseMs);
  }
};
