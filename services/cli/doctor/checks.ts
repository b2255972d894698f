import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { inotifyInUse } from '#compose/runner/inotify.ts';
import { isAway, lately, wordsOfTrouble } from '#compose/runner/troubles.ts';
import { meshTls, publicTls, socketPath } from '#compose/topology/paths.ts';
import { groupOf } from '#compose/topology/query.ts';
import { askAdmin } from '#envoy/admin/ask.ts';
import { rejectedUpdates } from '#envoy/admin/stats.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { askStatus } from '#services/db-agent/peers.ts';
import { healthOf, healthPlaces } from '../mesh/health.ts';
import { locatedFigure, locatedIn } from '../mesh/located.ts';
import type { MeshFacts } from '../mesh/mesh-of-state.ts';

/** What one look has found. */
export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly value: number;
  readonly unit: string;
  /** In words. */
  readonly goal: string;
  /** What is behind the figure. */
  readonly says: string;
  /** What to do when it is not well; empty otherwise. */
  readonly hint: string;
}

const leastDiskMib = 1024;
const leastCertificateHours = 1;
const answerMs = 3000;

/** What this machine has to have, whether or not a mesh runs. */
export function machineFindings(stateDir: string): Finding[] {
  const node = Number(process.versions.node.split('.')[0]);
  const found = [
    finding('node', node, 'major version', '≥ 20', node >= 20, process.version, 'run it by npm or npx'),
    diskFinding(stateDir),
  ];
  const inotify = inotifyFinding();
  return inotify === undefined ? found : [...found, inotify];
}

/** How the mesh on the folder is. */
export async function meshFindings(mesh: MeshFacts, clock: Clock): Promise<Finding[]> {
  const places = healthPlaces(mesh);
  const healths = await Promise.all(
    mesh.pods.map(async (pod) => ({ pod: pod.name, ...(await healthOf(pod, places)) })),
  );
  const down = healths.filter(({ up }) => !up);
  return [
    finding(
      'pods up',
      healths.length - down.length,
      'pods',
      String(healths.length),
      down.length === 0,
      down.map(({ pod, says }) => `${pod}: ${says}`).join('; '),
      '`sallyport logs <pod>` tells why',
    ),
    troubleFinding(mesh, clock),
    await databaseFinding(mesh),
    ...(await sidecarFindings(mesh)),
    certificateFinding(mesh, clock),
    clockFinding(mesh, clock),
    ...(await locatedFinding(mesh)),
  ];
}

function diskFinding(stateDir: string): Finding {
  let dir = stateDir;
  while (!existsSync(dir) && dirname(dir) !== dir) dir = dirname(dir);
  const { bavail, bsize } = statfsSync(dir);
  const mib = Math.floor((bavail * bsize) / 2 ** 20);
  return finding(
    'disk',
    mib,
    'MiB free',
    `≥ ${leastDiskMib}`,
    mib >= leastDiskMib,
    `at ${dir}`,
    'make room, or choose another folder with --state',
  );
}

function inotifyFinding(): Finding | undefined {
  const file = '/proc/sys/fs/inotify/max_user_instances';
  if (!existsSync(file)) return undefined;
  const limit = Number(readFileSync(file, 'utf8'));
  const used = inotifyInUse('/proc', process.getuid?.() ?? userInfo().uid);
  return finding(
    'inotify instances',
    used,
    `of ${limit} in use`,
    'some left',
    used < limit,
    '',
    `sudo sysctl -w fs.inotify.max_user_instances=${2 * limit}`,
  );
}

/** One that ended once is up again, and is told only; who hangs or is down at present, or cannot stay up, is a fault. */
function troubleFinding({ state }: MeshFacts, clock: Clock): Finding {
  const troubles = lately(state.troubles, clock.now());
  const bad = troubles.filter((each) => isAway(each) || (each.ended?.times ?? 0) > 1);
  const hangs = bad.some(({ missed }) => missed !== undefined);
  return finding(
    'processes that hang or crash',
    bad.length,
    'processes',
    '0',
    bad.length === 0,
    troubles.map((each) => `${each.name} ${wordsOfTrouble(each, clock.now())}`).join('; '),
    hangs
      ? 'its sessions go on at another one; it is killed and started again by itself. If it comes back, look at what it reaches'
      : 'it is started again, 10 s later at most; `sallyport logs <pod>` tells why it ends',
  );
}

async function databaseFinding({ state }: MeshFacts): Promise<Finding> {
  const nodes = groupOf(state);
  const states = await Promise.all(
    nodes.map(async ({ name }) => {
      try {
        const path = socketPath({ stateDir: '', runDir: state.runDir }, name, 'agent');
        const status = await askStatus({ socketPath: path, host: 'agent' }, answerMs);
        return { name, state: status.state as string, primary: status.role === 'PRIMARY' };
      } catch {
        // Whatever it is that keeps the agent from answering, its pod's health names it.
        return { name, state: 'no answer', primary: false };
      }
    }),
  );
  const online = states.filter((each) => each.state === 'ONLINE').length;
  const primary = states.find((each) => each.primary)?.name;
  return finding(
    'database group',
    online,
    'nodes ONLINE',
    `${nodes.length}, one of them primary`,
    online === nodes.length && primary !== undefined,
    states.map((each) => `${each.name} ${each.state}${each.primary ? ' (primary)' : ''}`).join(', '),
    'wait a minute, since a node that was away joins by itself; then see its log',
  );
}

async function sidecarFindings({ pods, state }: MeshFacts): Promise<Finding[]> {
  const refused: string[] = [];
  const versions = new Set<string>();
  let count = 0;
  for (const { name } of pods) {
    const admin = socketPath({ stateDir: '', runDir: state.runDir }, name, 'admin');
    try {
      const [info, rejected] = await Promise.all([askAdmin(admin, '/server_info'), rejectedUpdates(admin)]);
      const { version } = JSON.parse(info) as { version?: string };
      versions.add(version?.split('/')[1] ?? '?');
      for (const [type, times] of Object.entries(rejected)) {
        count += times;
        refused.push(`${name} ${type}`);
      }
    } catch (error) {
      refused.push(`${name} does not answer (${error instanceof Error ? error.message : String(error)})`);
    }
  }
  return [
    finding(
      'envoy refusals',
      count,
      'updates',
      '0, and every sidecar answers',
      refused.length === 0,
      refused.join('; '),
      'the sidecar goes on with what it had; its envoy.log says what is wrong with the update',
    ),
    finding(
      'envoy versions',
      versions.size,
      'versions',
      '1',
      versions.size === 1,
      [...versions].join(', '),
      'stop and start the mesh, so that all sidecars run the same one',
    ),
  ];
}

function certificateFinding(mesh: MeshFacts, clock: Clock): Finding {
  const places = { stateDir: mesh.stateDir, runDir: mesh.state.runDir };
  let soonest = Number.POSITIVE_INFINITY;
  let whose = '';
  for (const { name, role } of mesh.pods) {
    const folders = [meshTls(places, name), ...(role === 'edge' ? [publicTls(places, name)] : [])];
    for (const { cert } of folders) {
      const end = existsSync(cert) ? Date.parse(new X509Certificate(readFileSync(cert)).validTo) : 0;
      if (end < soonest) {
        soonest = end;
        whose = name;
      }
    }
  }
  const hours = Math.floor((soonest - clock.now()) / 3_600_000);
  return finding(
    'certificates',
    hours,
    'hours left of the first to expire',
    `≥ ${leastCertificateHours}`,
    hours >= leastCertificateHours,
    whose,
    'the runner renews them in time; `sallyport down` and `up` do it at once',
  );
}

function clockFinding({ state }: MeshFacts, clock: Clock): Finding {
  const seconds = Math.floor((clock.now() - Date.parse(state.startedAt)) / 1000);
  return finding(
    'clock',
    seconds,
    's since the mesh was started',
    '≥ 0',
    seconds >= 0,
    '',
    'the clock was set back; let NTP keep it',
  );
}

/** No fault by itself: after a start or a failover it takes a while. */
async function locatedFinding(mesh: MeshFacts): Promise<Finding[]> {
  const located = await locatedIn(mesh);
  const figure = locatedFigure(located);
  if (figure === undefined) return [];
  const says = Object.entries(located).filter(([, count]) => count > 0);
  return [{ ...figure, says: says.map(([key, count]) => `${key} ${count}`).join(', '), hint: '' }];
}

const finding = (
  name: string,
  value: number,
  unit: string,
  goal: string,
  ok: boolean,
  says: string,
  hint: string,
): Finding => ({ name, value, unit, goal, ok, says, hint: ok ? '' : hint });
