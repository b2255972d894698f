import type { Outcome, Scenario } from './scenarios.ts';
import { scenarios } from './scenarios.ts';
import { type Persistence, World } from './world.ts';

export interface ScenarioRow extends Outcome, Pick<Scenario, 'number' | 'what' | 'sun'> {
  readonly persistence: Persistence;
  /** New logins that somebody was asked for. */
  readonly logins: number;
  /** From the kill to the end of what was under way, with all that follows in it; seconds. */
  readonly seconds: number;
  readonly ok: boolean;
}

/** With sessions in memory only, whoever was served by the node logs in again, and goes on where he was. */
const mayAskForLogin = (persistence: Persistence, number: number): boolean =>
  persistence === 'off' && (number === 1 || number === 4);

/**
 * Runs the scenarios on a mesh for each kind of persistence, one after the other; the mesh is whole again before the
 * next, or there is a new one. `errors` is why rows are missing.
 * @throws the reason of the signal
 */
export async function runScenarios(
  kinds: readonly Persistence[],
  numbers: readonly number[],
  o: RunOptions,
): Promise<{ rows: ScenarioRow[]; errors: string[] }> {
  const rows: ScenarioRow[] = [];
  const errors: string[] = [];
  for (const persistence of kinds) {
    let world: World | undefined;
    try {
      for (const scenario of scenarios.filter(({ number }) => numbers.includes(number))) {
        o.signal.throwIfAborted();
        const about = `scenario ${scenario.number}, persistence ${persistence}`;
        try {
          world ??= await newWorld(persistence, o);
          o.progress(`${scenario.number}: a node dies while ${scenario.what}`);
          const row = await runOne(world, persistence, scenario);
          rows.push(row);
          o.progress(`  ${row.ok ? '✓' : '✗'} ${JSON.stringify(row)}`);
        } catch (error) {
          if (o.signal.aborted) throw error;
          errors.push(`${about}: ${String(error)}`);
          o.progress(`  ✗ ${errors.at(-1)}`);
        }
        if (world === undefined || (await isWholeAgain(world, o))) continue;
        errors.push(`${about}: the mesh was not whole again`);
        const broken = world;
        world = undefined;
        await broken.close();
      }
    } finally {
      await world?.close();
    }
  }
  return { rows, errors };
}

interface RunOptions {
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

function newWorld(persistence: Persistence, { progress }: RunOptions): Promise<World> {
  progress(`a mesh with session persistence ${persistence}`);
  return World.start(persistence, progress);
}

async function isWholeAgain(world: World, { progress }: RunOptions): Promise<boolean> {
  const from = performance.now();
  try {
    await world.mesh.waitUp();
    progress(`  whole again ${((performance.now() - from) / 1000).toFixed(1)} s after that`);
    return true;
  } catch (error) {
    progress(`  ✗ ${String(error)}`);
    return false;
  }
}

async function runOne(world: World, persistence: Persistence, scenario: Scenario): Promise<ScenarioRow> {
  const { number, what, sun } = scenario;
  // What the scenario before has ended is not this one's.
  await Promise.all([world.anna.owner(), world.bert.owner()]);
  const before = world.anna.logins + world.bert.logins;
  const begun = performance.now();
  const outcome = await scenario.run(world);
  const seconds = (performance.now() - begun) / 1000;
  const logins = world.anna.logins + world.bert.logins - before;
  const ok =
    outcome.lost === 0 && outcome.doubled === 0 && (logins === 0 || mayAskForLogin(persistence, number));
  return { ...{ number, what, sun, persistence, logins, seconds, ok }, ...outcome };
}
