import { pssMib } from '#compose/runner/memory.ts';
import { livingProcesses } from '#compose/runner/orphans.ts';
import type { RunState } from '#compose/runner/run-file.ts';
import { lately, wordsOfTrouble } from '#compose/runner/troubles.ts';
import type { CommandContext } from '../command.ts';
import type { Figure, Outcome } from '../report.ts';
import { table } from '../table.ts';
import { healthOf, healthPlaces } from './health.ts';
import { locatedFigure, locatedIn } from './located.ts';
import { type MeshFacts, runningMesh } from './mesh-of-state.ts';

/** One pod, as `status --json` gives it in `pods`. */
export interface PodStatus {
  readonly pod: string;
  readonly role: string;
  readonly host: string;
  readonly address: string;
  readonly ports: Readonly<Record<string, number>>;
  /** Everything that belongs to it is alive and serves. */
  readonly up: boolean;
  /** What it says of itself, or what is wrong. */
  readonly health: string;
  /** pids of its living processes by part: `process`, `sidecar`, `mysqld`. */
  readonly pids: Readonly<Record<string, number>>;
}

/** `sallyport status` */
export async function runStatus({ stateDir, report, clock }: CommandContext): Promise<Outcome> {
  const mesh = runningMesh(stateDir);
  const { state } = mesh;
  const living = livingProcesses(state);
  const pods = await Promise.all(state.pods.map((pod) => podStatus(pod, mesh, living, clock.now())));
  const mib = pssMib([state.runner.pid, ...living.map(({ identity }) => identity.pid)]);
  const up = pods.filter((pod) => pod.up).length;
  const ok = state.state === 'up' && up === pods.length;
  report.say(`mesh ${stateDir}: ${state.state}, since ${state.startedAt}, runner ${state.runner.pid}`);
  report.say('');
  for (const line of table(
    ['pod', 'up', 'health', 'pids', 'at'],
    pods.map((pod) => [
      pod.pod,
      pod.up ? 'yes' : 'NO',
      pod.health,
      named(pod.pids),
      `${pod.address} ${named(pod.ports)}`,
    ]),
  )) {
    report.say(line);
  }
  report.say('');
  report.say(`edges  ${state.edgeUrls.join('  ')}`);
  const figures: Figure[] = [
    { name: 'pods up', value: up, unit: 'pods', goal: String(pods.length), ok: up === pods.length },
    { name: 'processes', value: living.length + 1, unit: 'processes', goal: '', ok: true },
  ];
  if (mib !== undefined) {
    figures.push({ name: 'memory (PSS)', value: Math.round(mib), unit: 'MiB', goal: '', ok: true });
  }
  const located = await locatedIn(mesh);
  const share = locatedFigure(located);
  if (share !== undefined) figures.push(share);
  return {
    ok,
    figures,
    items: {
      state: stateDir,
      phase: state.state,
      startedAt: state.startedAt,
      runner: state.runner.pid,
      edgeUrls: state.edgeUrls,
      publicCa: state.publicCa,
      located,
      pods,
    },
  };
}

async function podStatus(
  pod: RunState['pods'][number],
  mesh: MeshFacts,
  living: ReturnType<typeof livingProcesses>,
  nowMs: number,
): Promise<PodStatus> {
  const pids = Object.fromEntries(
    living
      .filter(({ name }) => name.startsWith(`${pod.name} `))
      .map(({ name, identity }) => [name.slice(pod.name.length + 1), identity.pid]),
  );
  const parts = pod.role === 'edge' || pod.role === 'service' ? ['sidecar'] : ['process', 'sidecar'];
  if (pod.role === 'db') parts.push('mysqld');
  const dead = parts.filter((part) => pids[part] === undefined);
  const { name, role, host, address, ports } = pod;
  const health =
    dead.length > 0
      ? { up: false, says: `no ${dead.join(', no ')}` }
      : await healthOf(pod, healthPlaces(mesh));
  const says = [health.says, ...troublesIn(mesh.state, name, nowMs)].join('; ');
  return { pod: name, role, host, address, ports, up: health.up, health: says, pids };
}

/** What its processes do that they should not, as its runner has noted. */
const troublesIn = ({ troubles }: RunState, pod: string, nowMs: number): string[] =>
  lately(troubles, nowMs)
    .filter(({ name }) => name.startsWith(`${pod} `))
    .map((each) => `${each.name.slice(pod.length + 1)} ${wordsOfTrouble(each, nowMs)}`);

const named = (numbers: Readonly<Record<string, number>>): string =>
  Object.entries(numbers)
    .map(([name, number]) => `${name} ${number}`)
    .join(', ');
