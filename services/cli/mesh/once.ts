import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demoApp } from '#compose/demo/app.ts';
import { type Phone, startPhone, tellEvent } from '#compose/demo/phone.ts';
import type { Mesh } from '#compose/runner/mesh.ts';
import type { NamedProcess } from '#compose/runner/orphans.ts';
import { isAlive } from '#kernel/lifecycle/process-identity.ts';
import type { CommandContext } from '../command.ts';
import { createActivation } from '../operator.ts';
import type { Figure, Outcome } from '../report.ts';
import { runningMesh } from './mesh-of-state.ts';
import { type Reading, readPages } from './read-pages.ts';
import { startHere } from './up-foreground.ts';
import type { UpOptions } from './up-options.ts';

/** Seconds from nothing to the first page: with everything to be downloaded, and with all of it here. */
const firstPageGoal = { fetched: 90, cached: 30 } as const;
const memoryGoalMib = 3584;
const pagesBefore = 20;
const pagesAfter = 60;

/**
 * The whole life of a mesh, measured: up, a phone that enrols, opens a session and reads, its security pod
 * killed meanwhile, down. In a folder of its own unless --state names one.
 */
export async function runOnce(options: UpOptions, given: CommandContext): Promise<Outcome> {
  const temporary = options.state === undefined;
  const stateDir = temporary ? mkdtempSync(join(tmpdir(), 'sallyport-once-')) : given.stateDir;
  const command = { ...given, stateDir };
  try {
    const figures = await measure(options, command);
    if (temporary) rmSync(stateDir, { recursive: true, force: true });
    return { ok: figures.every((figure) => figure.ok), figures };
  } catch (error) {
    if (temporary && globSync('pods/*/log/*', { cwd: stateDir }).length === 0)
      rmSync(stateDir, { recursive: true, force: true });
    else if (temporary)
      given.report.say(`Logs of what went wrong are in ${stateDir}/pods; remove it after reading.`);
    throw error;
  }
}

async function measure(options: UpOptions, command: CommandContext): Promise<Figure[]> {
  const { report } = command;
  const mesh = await startHere(options, command);
  let before: NamedProcess[] = [];
  const figures: Figure[] = [];
  try {
    figures.push(...(await tryIt(mesh, command)));
  } finally {
    before = mesh.processes();
    await mesh.stop();
  }
  const left = before.filter(({ identity }) => isAlive(identity));
  report.progress(`down; left behind: ${left.map(({ name }) => name).join(', ') || 'nothing'}`);
  figures.push(atMost('processes left behind', left.length, 'processes', 0));
  return figures;
}

async function tryIt(mesh: Mesh, command: CommandContext): Promise<Figure[]> {
  const { report, signal, clock } = command;
  const activation = await createActivation(runningMesh(mesh.stateDir), {
    user: mesh.demo.user,
    appId: demoApp.appId,
    signal,
  });
  const phone = await startPhone({
    publicCa: mesh.publicCa,
    activation,
    user: mesh.demo.user,
    password: readFileSync(mesh.demo.passwordFile, 'utf8').trim(),
    listener: (event) => report.progress(`phone: ${tellEvent(event)}`),
    signal,
  });
  report.progress(`phone: enrolled, session open at ${phone.owner}`);
  const first = await phone.read('/', { signal });
  // The clock began with this process.
  const seconds = clock.monotonic() / 1000;
  report.progress(`phone: first page, status ${first.response.status}`);
  const calm = await readPages(phone, { pages: pagesBefore, signal });
  report.progress(`phone: ${calm.read} pages read`);
  const memory = mesh.pssMib();
  const storm = await readWhileKilled(mesh, phone, command);
  await phone.close();
  report.progress('phone: session closed');
  const goal = mesh.fetched ? firstPageGoal.fetched : firstPageGoal.cached;
  const failed = calm.failures.length + storm.failures.length + (first.response.ok ? 0 : 1);
  return [
    {
      ...atMost('first page', Math.round(seconds * 10) / 10, 's', goal),
      goal: `at most ${goal} (${mesh.fetched ? 'parts downloaded' : 'parts cached'})`,
    },
    atLeast('pages read', 1 + calm.read + storm.read, 'pages', 1 + pagesBefore + pagesAfter),
    atMost('failed requests', failed, 'requests', 0),
    { name: 'longest wait for a page', value: Math.round(storm.slowestMs), unit: 'ms', goal: '', ok: true },
    ...(memory === undefined ? [] : [atMost('memory (PSS)', Math.round(memory), 'MiB', memoryGoalMib)]),
  ];
}

/** Kills the owner of the session between two pages, and reads on until the mesh is whole again. */
async function readWhileKilled(mesh: Mesh, phone: Phone, command: CommandContext): Promise<Reading> {
  const { report, signal } = command;
  let whole = false;
  const reading = readPages(phone, { pages: pagesAfter, until: () => whole, signal });
  report.progress(`killing ${phone.owner}, which holds the session`);
  const killed = mesh.kill(phone.owner, 'process', 'SIGKILL');
  try {
    await mesh.waitUp();
  } finally {
    whole = true;
  }
  const done = await reading;
  report.progress(
    `phone: ${done.read} pages read while ${phone.owner} was away, ${done.failures.length} failed`,
  );
  for (const failure of done.failures.slice(0, 5)) report.progress(`phone: ${failure}`);
  return killed ? done : { ...done, failures: [...done.failures, `${phone.owner} could not be killed`] };
}

const atMost = (name: string, value: number, unit: string, goal: number): Figure => ({
  name,
  value,
  unit,
  goal: goal === 0 ? '0' : `at most ${goal}`,
  ok: value <= goal,
});

const atLeast = (name: string, value: number, unit: string, goal: number): Figure => ({
  name,
  value,
  unit,
  goal: `at least ${goal}`,
  ok: value >= goal,
});
