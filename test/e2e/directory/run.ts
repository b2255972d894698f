import assert from 'node:assert/strict';
import { SyncKind, type SyncRun } from '#gen/sallyport/directory/v1/sources_pb.js';
import { userDn } from '../../directory/company.ts';
import { counts, sync } from '../../directory/sources.ts';
import { type Figure, type RunOptions, runSuite } from '../figures.ts';
import { answersMeanwhile } from './answers.ts';
import { changesSuite, hundredChanges, untilRevoked } from './changes.ts';
import { failuresSuite } from './failures.ts';
import { untilPushedOut } from './pushed.ts';
import { groupCount, makeWorld, msOf, stateOf, users, type World } from './world.ts';

/** Users of a large OpenLDAP: figures of synchronising them, and what happens when the directory misbehaves. */
export async function runDirectory({ only, say }: RunOptions): Promise<readonly Figure[]> {
  // What it has started goes with it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  const world = await makeWorld(say);
  try {
    const figures = await measured(world, say);
    for (const suite of [changesSuite(world), failuresSuite(world)]) {
      if (!suite.name.includes(only)) continue;
      say(suite.name);
      figures.push(await runSuite(suite, say));
    }
    return figures;
  } finally {
    await world.close();
  }
}

async function measured(world: World, say: (line: string) => void): Promise<Figure[]> {
  const { sources } = world;
  const figures: Figure[] = [];
  const add = (name: string, value: number, unit: string, most?: number): void => {
    const goal = most === undefined ? '' : `at most ${most}`;
    figures.push({ name, value, unit, goal, ok: most === undefined || value <= most });
    say(`  ${name}: ${value} ${unit}`);
  };
  const atStart = world.peakMib();
  say('reading everything, as a dry run');
  const dry = await sync(sources, 'hq', { dryRun: true }, 600_000);
  assert.equal(stateOf(dry), 'DONE');
  assert.equal(dry.adds, users);
  add('dry run of everything', seconds(dry), 's');
  say('reading everything');
  const answers = answersMeanwhile(world);
  const full = await sync(sources, 'hq', {}, 600_000);
  const slowest = await answers.stop();
  assert.deepEqual(counts(full), {
    state: 'DONE',
    adds: users,
    changes: 0,
    disables: 0,
    removes: 0,
    problems: 0,
  });
  assert.equal(full.groupsRead, groupCount);
  add(`full sync of ${users} users and ${groupCount} groups`, seconds(full), 's', 60);
  add('memory of the process that does it, the most', full.peakMib, 'MiB', 300);
  add('memory that the pod gained meanwhile', world.peakMib() - atStart, 'MiB');
  add('slowest answer of a pod meanwhile', slowest, 'ms');
  const again = await sync(sources, 'hq', { kind: SyncKind.FULL }, 600_000);
  assert.equal(again.adds + again.changes + again.removes + again.disables, 0);
  add('full sync in which nothing has changed', seconds(again), 's');
  say('a hundred changes');
  // What was loaded at once has the change numbers of one moment: the next look after it reads it once more.
  await world.replace(userDn(999), 'displayName', 'Another');
  assert.equal((await sync(sources, 'hq')).changes, 1);
  const changed = await hundredChanges(world);
  add('incremental sync of 100 changes', seconds(changed), 's', 2);
  add('from the order of a sync until a disabled user has no session', await untilRevoked(world), 's', 5);
  const pushedOut = await untilPushedOut(world);
  add('from a push by SCIM until a user whom it deactivates has no session', pushedOut, 's', 5);
  return figures;
}

const seconds = (run: SyncRun): number => Math.round(msOf(run) / 10) / 100;
