import { locatedFigure, locatedIn } from '#services/cli/mesh/located.ts';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import type { Step } from '../drill.ts';
import { nearestRank } from '../nearest-rank.ts';

const revocations = 200;
/** Each brings a login of its own: as many as the load has, so that these do not decide how busy the machine is. */
const perSecond = 2;

export const step: Step = async ({ mesh, load, broken, mended, figure, note }) => {
  // Nothing is broken: from here on stalls are counted as those of a failure.
  await broken();
  const before = await locatedIn(runningMesh(mesh.stateDir));
  const { ms, committedMs } = await load.cut(revocations, perSecond);
  const after = await locatedIn(runningMesh(mesh.stateDir));
  await mended();
  const grown = Object.fromEntries(
    Object.entries(after).map(([key, count]) => [key, count - (before[key] ?? 0)]),
  );
  note(`decisions: ${JSON.stringify(grown)}`);
  figure({
    name: 'decisions that found the session where they arrived',
    value: locatedFigure(grown)?.value ?? 0,
    unit: '%',
    atLeast: 99.9,
  });
  figure({
    name: 'revocations of sessions with open streams',
    value: ms.length,
    unit: '',
    atLeast: revocations,
  });
  figure({
    name: 'of that, until the operator had his answer, p99',
    value: Math.round(nearestRank(committedMs, 0.99)),
    unit: 'ms',
  });
  const cut = (share: number): number => Math.round(nearestRank(ms, share));
  figure({ name: 'revocation to last open stream cut, p50', value: cut(0.5), unit: 'ms' });
  figure({ name: 'revocation to last open stream cut, p99', value: cut(0.99), unit: 'ms', atMost: 200 });
};
