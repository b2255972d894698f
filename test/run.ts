/**
 * `npm test`: static checks, unit tests, then each integration suite in a process of its own, two at a time. Ends with
 * one line `N passed, N failed`. A check counts as one test. Stops what it started when interrupted.
 *
 * `npm test -- mesh proxy` runs only the suites whose names contain one of the words, long ones too.
 * `npm run test:long` runs the suites that take minutes each.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A suite that takes longer hangs. */
const suiteBoundMs = 10 * 60_000;

interface Outcome {
  passed: number;
  failed: number;
  /** What failed, and why, for the end of a long output. */
  told?: readonly string[];
}

/** What test/reporter.cjs writes. */
interface Report {
  readonly passes?: number;
  readonly failures?: number;
  readonly failed?: readonly string[];
}

/** Suites that make network namespaces. Who is not root runs them in a user namespace, in which he is. */
const namespaceSuites = ['hosts', 'netns'];
const asRoot = ['unshare', '-Urnm', '--', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"'];

/**
 * What starts sidecars. One suite that imports it runs at a time: a mesh asks for up to 69 of the 128 inotify instances
 * that Linux allows a user (docs/adr/0001).
 */
const startsSidecars = /\/(?:mesh|fake-mesh|drills\/stand)\.ts'/;

/** Suites that only use a mesh run in one process, and share it. */
const sharesMesh = /\bsharedMesh\(/;
const holdsMesh = 'test/hold-mesh.ts';

/** Takes longer than any other: begun first, it does not run alone in the end. */
const longest = 'db-group';

const running = new Set<ChildProcess>();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted = true;
    // The suite cleans up behind itself; a second signal would not let it.
    for (const child of running) child.kill('SIGTERM');
  });
}

const long = process.argv.includes('--long');
const words = process.argv.slice(2).filter((word) => word !== '--long');
const temp = await mkdtemp(join(tmpdir(), 'sallyport-test-'));
const total: Outcome = { passed: 0, failed: 0 };
const failures: string[] = [];
try {
  if (words.length === 0 && !long) {
    for (const [name, command] of [
      ['types', ['tsc']],
      ['lint', ['biome', 'check', '.']],
      ['contracts', ['node', 'proto/generate.ts', '--check']],
    ] as const) {
      await run(name, command, oneCheck);
    }
    await mocha('unit', []);
  }
  // Here, so that no suite's bounds depend on how long a download takes.
  await run('Envoy and MySQL', ['node', 'test/fetch-parts.ts'], oneCheck);
  const folders =
    words.length > 0 ? (['integration', 'long'] as const) : ([long ? 'long' : 'integration'] as const);
  let ran = 0;
  for (const folder of folders) ran += await suites(folder);
  if (ran === 0 && !interrupted) failures.push(`no suite has a name like ${words.join(' or ')}`);
} finally {
  rmSync(temp, { recursive: true, force: true });
}
if (failures.length > 0 && total.failed === 0) total.failed += 1;
if (failures.length > 0) process.stdout.write(`\nWhat failed:\n${failures.join('\n')}\n\n`);
process.stdout.write(`── all: ${(performance.now() / 1000).toFixed(1)} s\n`);
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exitCode = interrupted ? 130 : total.failed > 0 ? 1 : 0;

/** Runs all suites of a folder, or those that were asked for; returns how many. */
async function suites(folder: 'integration' | 'long'): Promise<number> {
  const dir = join('test', folder);
  const names = readdirSync(dir)
    .filter((file) => file.endsWith('.spec.ts'))
    .map((file) => file.replace('.spec.ts', ''))
    .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
    .sort();
  const fileOf = (name: string): string => join(dir, `${name}.spec.ts`);
  const having = (what: RegExp): string[] =>
    names.filter((name) => what.test(readFileSync(fileOf(name), 'utf8')));
  const one = (name: string): string[] => [name];
  const [sidecars, sharing] = [having(startsSidecars), having(sharesMesh)];
  const withSidecars = sidecars.filter((name) => !sharing.includes(name)).map(one);
  if (sharing.length > 0) withSidecars.unshift(sharing);
  const others = names
    .filter((name) => !sidecars.includes(name))
    .sort((a, b) => Number(b === longest) - Number(a === longest))
    .map(one);
  const lane = async (next: () => readonly string[] | undefined, beside?: 'beside'): Promise<void> => {
    for (let suite = next(); suite !== undefined; suite = next()) {
      const files = [...(suite.length > 1 ? [holdsMesh] : []), ...suite.map(fileOf)];
      // Without the configuration, whose specs would run too.
      await mocha(suite.join(' and '), ['--no-config', '--timeout', '180000', ...files], beside);
    }
  };
  const first = lane(() => withSidecars.shift() ?? others.shift());
  // Most wait more than they work. Long ones run alone: they say how long things take.
  const beside = folder === 'integration' ? lane(() => others.shift(), 'beside') : undefined;
  await Promise.all([first, beside]);
  return names.length;
}

async function oneCheck(code: number | null): Promise<Outcome> {
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** Mocha's own counts come from its JSON report: what a suite prints is for people. */
async function mocha(name: string, args: readonly string[], beside?: 'beside'): Promise<void> {
  const report = join(temp, `${name}.json`);
  const command = [
    ...(namespaceSuites.includes(name) && process.getuid?.() !== 0 ? asRoot : []),
    'mocha',
    ...args,
    '--reporter',
    'test/reporter.cjs',
    '--reporter-option',
    `output=${report}`,
  ];
  const judge = async (code: number | null): Promise<Outcome> => {
    try {
      const { passes, failures, failed } = JSON.parse(await readFile(report, 'utf8')) as Report;
      // A suite that ran nothing, or died after its tests, has failed.
      const broken = code !== 0 && failures === 0 ? 1 : 0;
      return { passed: passes ?? 0, failed: (failures ?? 0) + broken, told: failed ?? [] };
    } catch (error) {
      process.stderr.write(`${name} left no report: ${String(error)}\n`);
      return { passed: 0, failed: 1 };
    }
  };
  await run(name, command, judge, beside);
}

async function run(
  name: string,
  [program = '', ...args]: readonly string[],
  judge: (code: number | null) => Promise<Outcome>,
  beside?: 'beside',
): Promise<void> {
  if (interrupted) return;
  process.stdout.write(`\n── ${name}${beside ? ' (beside the others)' : ''}\n`);
  const start = performance.now();
  const said = beside && join(temp, `${name}.txt`);
  const output = said === undefined ? 'inherit' : openSync(said, 'w');
  const child = spawn(program, args, { stdio: ['ignore', output, output] });
  running.add(child);
  const bound = setTimeout(() => {
    process.stderr.write(`${name} has run for ${suiteBoundMs / 60_000} minutes and is stopped\n`);
    child.kill('SIGTERM');
  }, suiteBoundMs);
  const code = await new Promise<number | null>((resolve) => {
    child.on('exit', (exit) => resolve(exit));
    child.on('error', (error) => {
      process.stderr.write(`${program}: ${error.message}\n`);
      resolve(null);
    });
  });
  clearTimeout(bound);
  running.delete(child);
  if (typeof output === 'number') closeSync(output);
  if (said !== undefined) process.stdout.write(readFileSync(said));
  const { passed, failed, told = [] } = await judge(code);
  total.passed += passed;
  total.failed += failed;
  if (failed > 0) failures.push(`${name}: ${failed} not ok`, ...told.map((line) => `  ${line}`));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  process.stdout.write(`── ${name}: ${passed} ok, ${failed} not ok, ${seconds} s\n`);
}
