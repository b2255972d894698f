import type { Drill, Failure } from './drill.ts';
import type { KeptRows } from './kept-rows.ts';
import type { DrillOptions } from './options.ts';
import { type Row, rowAlone } from './row.ts';
import { runAlone } from './run-alone.ts';
import { runDrill } from './run-drill.ts';
import { type Stand, startStand } from './stand.ts';
import { rowLines } from './table.ts';

/** Drills with the same key run on the same mesh. */
export const meshKey = ({ name, mesh, hosts, databaseHosts, slaveHosts, prepare }: Drill): string =>
  JSON.stringify([
    mesh ?? {},
    hosts ?? [],
    databaseHosts ?? [],
    slaveHosts ?? [],
    (prepare ?? mesh?.launch) === undefined ? '' : name,
  ]);

export interface Selected {
  readonly drill: Drill;
  readonly failures: readonly Failure[];
}

/**
 * Drills, each with those of its failures that are asked for: a word that is the whole name of one means that one,
 * any other all that have it in their names.
 */
export function select(drills: readonly Drill[], options: Pick<DrillOptions, 'words' | 'short'>): Selected[] {
  const words = options.words.map((word) => word.toLowerCase());
  const names = new Set(
    drills.flatMap((drill) => [drill, ...drill.failures]).map(({ name }) => name.toLowerCase()),
  );
  const named = (text: string): boolean =>
    words.length === 0 ||
    words.some((word) => (names.has(word) ? text.toLowerCase() === word : text.toLowerCase().includes(word)));
  return drills
    .map((drill) => ({
      drill,
      failures: drill.failures.filter(
        ({ name, short }) => (named(drill.name) || named(name)) && (!options.short || short === true),
      ),
    }))
    .filter(({ failures }) => failures.length > 0);
}

/**
 * Runs them all with every seed. Drills that want the same mesh share one; after one that has not got whole again
 * there is a new one. Rows that are `kept` are taken as they are. `errors` is why rows are missing.
 */
export async function runDrills(
  selected: readonly Selected[],
  { seeds, size }: Pick<DrillOptions, 'seeds' | 'size'>,
  o: { readonly signal: AbortSignal; readonly progress: (line: string) => void; readonly kept?: KeptRows },
): Promise<{ rows: Row[]; errors: string[] }> {
  const rows: Row[] = [];
  const errors: string[] = [];
  let stand: { readonly key: string; readonly of: Stand } | undefined;
  const leave = async (): Promise<void> => {
    const left = stand;
    stand = undefined;
    await left?.of.close();
  };
  const begun = performance.now();
  const all = selected.flatMap(({ failures }) =>
    failures.flatMap(({ name }) => seeds.map((seed) => o.kept?.find(name, seed) !== undefined)),
  );
  const count = all.filter((isKept) => !isKept).length;
  if (count < all.length) o.progress(`${all.length - count} rows are kept from an earlier run`);
  let done = 0;
  const tellProgress = (): void => {
    done += 1;
    const minutes = (performance.now() - begun) / 60_000;
    const left = Math.ceil((minutes / done) * (count - done));
    o.progress(`  ${done} of ${count} rows in ${Math.ceil(minutes)} min, about ${left} min to go`);
  };
  try {
    for (const { drill, failures } of selected) {
      o.progress(`${drill.name}: ${drill.about}`);
      const key = meshKey(drill);
      for (const failure of failures) {
        for (const seed of seeds) {
          o.signal.throwIfAborted();
          const earlier = o.kept?.find(failure.name, seed);
          if (earlier !== undefined) {
            rows.push(earlier);
            continue;
          }
          try {
            if (stand !== undefined && (stand.key !== key || drill.alone !== undefined)) await leave();
            let row: Row;
            if (drill.alone !== undefined) row = await runAlone(drill, drill.alone, failure, seed, o);
            else {
              stand ??= { key, of: await startStand(drill, size, seed, o.progress) };
              row = await runDrill(stand.of, drill, failure, seed, o);
            }
            rows.push(row);
            o.kept?.add(row);
            for (const line of rowLines(row)) o.progress(line);
            if (!row.held) await leave();
          } catch (error) {
            if (o.signal.aborted) throw error;
            const why = `${failure.name}, seed ${seed}: ${error instanceof Error ? error.message : String(error)}`;
            errors.push(why);
            // In the place of the row that an earlier run may have left.
            rows.push(
              rowAlone({ drill: drill.name, failure, seed, seconds: 0, figures: [], notes: [] }, [why]),
            );
            o.progress(`  ✗ ${why}`);
            await leave();
          }
          tellProgress();
        }
      }
    }
  } catch (error) {
    if (!o.signal.aborted) throw error;
    errors.push('interrupted');
  } finally {
    await leave();
  }
  return { rows, errors };
}
