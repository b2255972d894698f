/**
 * `npm run e2e -- NAME… [--json] [--only WORD]`: what is tried end to end, with real parts. Exit code 1 when something
 * is missed. With --json the last line is one object {name, ok, figures}, and what people read goes to standard error.
 */
import { parseArgs } from 'node:util';
import type { Figure, RunOptions } from './figures.ts';

const runs: Readonly<Record<string, (options: RunOptions) => Promise<readonly Figure[]>>> = {
  clients: async (options) => (await import('./clients/run.ts')).runClients(options),
  catalog: async (options) => (await import('./catalog/run.ts')).runCatalog(options),
  directory: async (options) => (await import('./directory/run.ts')).runDirectory(options),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
const say = (line: string): void => {
  (values.json ? process.stderr : process.stdout).write(`${line}\n`);
};
const named = positionals.flatMap((name) => runs[name] ?? []);
if (named.length === 0 || named.length !== positionals.length) {
  process.stderr.write(`usage: npm run e2e -- ${Object.keys(runs).join('|')}… [--json] [--only WORD]\n`);
  process.exit(2);
}
const figures: Figure[] = [];
for (const run of named) figures.push(...(await run({ only: values.only, say })));
const ok = figures.length > 0 && figures.every((figure) => figure.ok);
for (const { ok: held, name, value, unit, goal, reason } of figures) {
  const aim = goal === '' ? '' : `, goal ${goal}`;
  say(`${held ? '✓' : '✗'} ${name}: ${value} ${unit}${aim}${reason === undefined ? '' : ` (${reason})`}`);
}
if (values.json) process.stdout.write(`${JSON.stringify({ name: positionals.join(' '), ok, figures })}\n`);
process.exitCode = ok ? 0 : 1;
