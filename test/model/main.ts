/**
 * `npm run model`: the models of docs/model/, searched by spin. Ends with 1 when an invariant does not hold or a
 * mutation is not found, 2 for a wrong command, 130 when interrupted.
 */
import { PartsError } from '#compose/parts/errors.ts';
import { UsageError } from '../options.ts';
import { titleOf } from './models.ts';
import { type ModelOptions, modelOptions, usage } from './options.ts';
import { figuresOf, runModels } from './run-models.ts';

const options = parsed();
const progress = (line: string): void =>
  void process.stderr.write(`${(performance.now() / 1000).toFixed(1).padStart(7)} s  ${line}\n`);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
if (options.list) {
  for (const each of options.configurations) print(`${titleOf(each)}${each.short ? ' (short form)' : ''}`);
  for (const { name, breaks, short } of options.mutations) {
    print(`${name}: breaks ${breaks}${short ? ' (short form)' : ''}`);
  }
} else {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt.abort());
  try {
    await search(options, interrupt.signal);
  } catch (error) {
    if (!(error instanceof PartsError)) throw error;
    if (error.code === 'ABORTED') {
      progress('interrupted');
      if (options.json)
        print(JSON.stringify({ name: 'model', ok: false, figures: [], errors: ['interrupted'] }));
      process.exit(130);
    }
    const { code, message, hint, tried } = error;
    process.stderr.write(
      `error ${code}: ${message}\n${tried.map((line) => `  ${line}\n`).join('')}hint: ${hint}\n`,
    );
    if (options.json)
      print(JSON.stringify({ name: 'model', ok: false, figures: [], error: { code, message, hint } }));
    process.exitCode = 1;
  }
}

async function search({ json, trace, ...given }: ModelOptions, signal: AbortSignal): Promise<void> {
  const parts = { env: process.env, progress, signal };
  const results = await runModels({ ...given, parts, signal, progress });
  const searches = [...results.configurations, ...results.mutations];
  const figures = figuresOf(results);
  const ok = figures.every((figure) => figure.ok);
  const say = json ? (line: string) => void process.stderr.write(`${line}\n`) : print;
  if (trace) {
    for (const { name, found } of results.mutations) {
      say(`\n${name} breaks ${found?.error?.invariant ?? 'nothing'}:`);
      for (const step of found?.steps ?? []) say(`  ${step}`);
    }
  }
  for (const { name, value, unit, goal, ok: reached } of figures) {
    say(
      `${goal === '' ? ' ' : reached ? '✓' : '✗'} ${name} ${value} ${unit}${goal === '' ? '' : ` (goal ${goal})`}`,
    );
  }
  if (json) print(JSON.stringify({ name: 'model', ok, figures, searches }));
  process.exitCode = ok ? 0 : 1;
}

function parsed(): ModelOptions {
  try {
    const given = modelOptions(process.argv.slice(2));
    if (given !== undefined) return given;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${usage}\n`);
    process.exit(2);
  }
  process.stdout.write(`${usage}\n`);
  process.exit(0);
}
