import { parseArgs } from 'node:util';
import { SallyportError } from '#core/errors/error.ts';
import { parsed, UsageError, wholeNumber } from '../../options.ts';
import { keepTable } from '../write-result.ts';
import { runScenarios } from './run-scenarios.ts';
import { scenarios } from './scenarios.ts';
import { scenarioTable } from './table.ts';
import type { Persistence } from './world.ts';

const usage = `npm run drills -- scenarios [--persistence on|off] [--only N] [--json] [--write]

Eight things that somebody or something does while a node dies, which is killed whole: every process of one of the
three hosts at once, with SIGKILL. Each with session persistence on and off; see test/drills/scenarios/README.md.
  --persistence P  on, off or both (default)
  --only N         one of them, 1 to 8
  --json           the last line is {"name","ok","figures","rows",…}
  --write          keeps the table in the README, when every row was taken
Examples:
  npm run drills -- scenarios --json
  npm run drills -- scenarios --only 4 --persistence off`;

/** Gives the exit code: 1 when something was seen, lost or doubled that is not to be, 130 when it was interrupted. */
export async function scenariosMain(argv: readonly string[]): Promise<number> {
  let options: ReturnType<typeof read>;
  try {
    options = read(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${usage}\n`);
    return 2;
  }
  if (options === undefined) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const { kinds, numbers, json, write } = options;
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt.abort());
  try {
    const { rows, errors } = await runScenarios(kinds, numbers, { signal: interrupt.signal, progress });
    const ok = errors.length === 0 && rows.every((row) => row.ok);
    const table = scenarioTable(rows);
    (json ? process.stderr : process.stdout).write(`${table}\n`);
    // A table with holes would take the place of a whole one.
    if (write && errors.length === 0) keepTable('scenarios', table);
    const figures = kinds.map((persistence) => {
      const value = rows.filter((row) => row.persistence === persistence && row.ok).length;
      const goal = numbers.length;
      const name = `scenarios that hold, persistence ${persistence}`;
      return { name, value, unit: 'scenarios', goal: `${goal}`, ok: value === goal };
    });
    if (json) process.stdout.write(`${JSON.stringify({ name: 'scenarios', ok, figures, rows, errors })}\n`);
    return ok ? 0 : 1;
  } catch (error) {
    if (interrupt.signal.aborted) return 130;
    const { reason, message, hint } = SallyportError.from(error);
    if (reason === 'INTERNAL') throw error;
    process.stderr.write(`error ${reason}: ${message}\nhint: ${hint}\n`);
    return 1;
  }
}

function read(argv: readonly string[]) {
  const { values } = parsed(() =>
    parseArgs({
      args: [...argv],
      options: {
        persistence: { type: 'string', default: 'both' },
        only: { type: 'string' },
        json: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }),
  );
  if (values.help) return undefined;
  const { persistence, only, json, write } = values;
  const all: readonly Persistence[] = ['on', 'off'];
  const kinds = persistence === 'both' ? all : all.filter((kind) => kind === persistence);
  if (kinds.length === 0) throw new UsageError(`--persistence is on, off or both, not ${persistence}`);
  const numbers =
    only === undefined
      ? scenarios.map(({ number }) => number)
      : [wholeNumber('--only', only, 1, scenarios.length)];
  if (write && kinds.length * numbers.length < all.length * scenarios.length)
    throw new UsageError('--write keeps a whole table: leave out --only and --persistence');
  return { kinds, numbers, json, write };
}
