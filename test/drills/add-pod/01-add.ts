import { podsOf } from '#compose/topology/query.ts';
import { type Located, locatedIn } from '#services/cli/mesh/located.ts';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import type { Step } from '../drill.ts';
import { movedBetween, placesOfKeys, placesOfSessions, tellUpstream } from './look.ts';

export const step: Step = async ({ mesh, load, signal, broken, undo, figure, note }) => {
  const pods = podsOf(mesh.topology, 'security').length;
  const stopTelling = await tellUpstream(mesh);
  undo(stopTelling);
  const sessions = await load.sessions();
  const keysBefore = await placesOfKeys(mesh);
  const before = await placesOfSessions(mesh, sessions);
  undo(async () => void (await mesh.scale('security', pods)));
  await broken();
  const moves = async (): Promise<number> => movesIn(await locatedIn(runningMesh(mesh.stateDir)));
  const movesBefore = await moves();
  const { added } = await mesh.scale('security', pods + 1, { signal });
  const [fresh = ''] = added;
  const keys = movedBetween(keysBefore, await placesOfKeys(mesh), fresh);
  const after = await placesOfSessions(mesh, sessions);
  const movesBetween = await moves();
  const again = await placesOfSessions(mesh, sessions);
  const movesAfter = await moves();
  const moved = movedBetween(before, after, fresh);
  note(
    `of ${sessions.length} sessions ${moved.to} went to ${fresh} and ${moved.others} elsewhere, by ` +
      `${movesBetween - movesBefore} hand-overs and loads`,
  );
  const share = (count: number): number => Math.round((10_000 * count) / keysBefore.size) / 100;
  figure({
    name: 'route keys that went to the new pod',
    value: share(keys.to),
    unit: '%',
    atMost: Math.round(1e4 / (pods + 1) + 200) / 100,
    // Without its share it would be of no use.
    atLeast: Math.round(1e4 / (pods + 1) - 200) / 100,
  });
  figure({
    name: 'route keys that moved between old pods',
    value: share(keys.others),
    unit: '%',
    atMost: 0.5,
  });
  figure({
    name: 'hand-overs and loads a session that moved',
    value: Math.round((100 * (movesBetween - movesBefore)) / Math.max(1, moved.to + moved.others)) / 100,
    unit: '',
    atMost: 1,
  });
  const strays = movedBetween(after, again, fresh);
  figure({
    name: 'sessions that moved again when they were asked about again',
    value: Math.max(strays.to + strays.others, movesAfter - movesBetween),
    unit: '',
    atMost: 0,
  });
};

/** Sessions that a pod had to take from another pod or from the database before it could answer. */
const movesIn = (located: Located): number =>
  ['unary', 'attach'].reduce(
    (sum, how) => sum + (located[`${how} moved`] ?? 0) + (located[`${how} loaded`] ?? 0),
    0,
  );
