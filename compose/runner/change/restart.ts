import { groupOf, podNamed, podsOf } from '#compose/topology/query.ts';
import type { Pod, PodRole } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { isOnline, waitUntilUp } from '../ready.ts';
import type { RunningMesh } from '../running-mesh.ts';
import { stopPod } from '../stop.ts';
import { primaryLast } from './database.ts';
import type { Change } from './one-change.ts';
import { putBack, takeOut, tell, untilQuiet } from './rotation.ts';

/** Which pods are meant: by name, by tier, or all of the mesh's own. */
export interface PodChoice {
  readonly pods?: readonly string[];
  readonly tiers?: readonly string[];
  readonly all?: boolean;
}

export interface RestartOptions extends PodChoice {
  /** Pods of one tier that are out at a time; default 1. */
  readonly parallel?: number;
}

/** Milliseconds for a database group to be whole before one of its nodes is restarted. */
const wholeMs = 120_000;

/** Milliseconds for one pod to serve again; a database node may have to catch up. */
const backMs = 180_000;

/** Tiers from the inside out: whoever is called has been changed before its callers. */
export const tierOrder = [
  'db',
  'security',
  'worker',
  'backend',
  'gateway',
  'proxy',
  'edge',
  'service',
] as const;

/**
 * The pods meant, by tier, in the order in which they are changed. A service is somebody else's: `all` leaves
 * its sidecar alone, since its process cannot call while that is away.
 * @throws NOT_FOUND; CHANGE_REFUSED when nothing is meant
 */
export function choosePods(mesh: RunningMesh, choice: PodChoice): (readonly Pod[])[] {
  const { topology } = mesh;
  const { pods: names = [], tiers = [], all = false } = choice;
  for (const tier of tiers) {
    if (!tierOrder.some((role) => role === tier)) {
      throw new SallyportError('NOT_FOUND', {
        message: `there is no tier ${JSON.stringify(tier.slice(0, 40))}`,
        hint: `tiers are: ${tierOrder.join(', ')}`,
      });
    }
  }
  const named = new Set(names.map((name) => podNamed(topology, name).name));
  const isMeant = (pod: Pod): boolean =>
    named.has(pod.name) || tiers.includes(pod.role) || (all && pod.role !== 'service');
  const chosen = tierOrder
    .map((role: PodRole) => podsOf(topology, role).filter(isMeant))
    .filter((tier) => tier.length > 0);
  if (chosen.length === 0) {
    throw new SallyportError('CHANGE_REFUSED', {
      message: 'no pod is meant',
      hint: 'name pods, or say --tier or --all; `sallyport status` lists the pods',
    });
  }
  return chosen;
}

/**
 * Restarts pods without a call being lost, tier by tier and pod by pod: out of rotation, finish, stop, start,
 * healthy, back. Gives the names, in the order in which they were restarted.
 * @throws NOT_FOUND, CHANGE_REFUSED; START_FAILED when a pod does not come back; the reason of the signal
 */
export async function restart(
  mesh: RunningMesh,
  options: RestartOptions,
  change: Change,
): Promise<readonly string[]> {
  const done: string[] = [];
  for (const tier of choosePods(mesh, options)) {
    const isDatabase = tier.some((pod) => pod.role === 'db');
    // Of a replicated database never more than one is away: the others are its majority.
    const parallel = isDatabase ? 1 : Math.max(1, options.parallel ?? 1);
    const waiting = isDatabase ? await primaryLast(mesh, tier) : [...tier];
    for (let batch = waiting.splice(0, parallel); batch.length > 0; batch = waiting.splice(0, parallel)) {
      change.signal.throwIfAborted();
      await Promise.all(batch.map((pod) => restartPod(mesh, pod, change)));
      done.push(...batch.map(({ name }) => name));
    }
  }
  return done;
}

/**
 * A node that is joining cannot be stopped in order, and then takes minutes to come back; and while another is away
 * this one may be half of the majority. One that is out of the group for good, and no other is, may be restarted.
 * @throws CHANGE_REFUSED naming who is not in the group; the reason of the signal
 */
async function groupToBeWhole(
  { topology, parts: { clock } }: RunningMesh,
  node: Pod,
  { progress, signal }: Change,
): Promise<void> {
  let away: string[] = [];
  const isWhole = async (): Promise<boolean> => {
    const all = groupOf(topology);
    const online = await Promise.all(all.map((pod) => isOnline(topology, pod).catch(() => false)));
    away = all.filter((_, at) => online[at] !== true).map(({ name }) => name);
    return away.length === 0;
  };
  if (await isWhole()) return;
  progress(
    `waiting for ${away.join(', ')} to be in the database group; \`sallyport db status\` tells how it goes`,
  );
  try {
    await waitFor(isWhole, { timeoutMs: wholeMs, everyMs: 500, what: 'the database group', clock, signal });
  } catch {
    signal.throwIfAborted();
    if (away.every((name) => name === node.name)) return;
    throw new SallyportError('CHANGE_REFUSED', {
      message: `${away.join(', ')} is not in the database group: without ${node.name} it may have no majority`,
      hint: '`sallyport db status` says what it waits for; restart that one alone, or try again when it is back',
    });
  }
}

/**
 * One pod, from being in rotation to being in rotation. Not interruptible once it is out: it would be missing.
 * @throws CHANGE_REFUSED, START_FAILED; the reason of the signal, before anything was done
 */
export async function restartPod(mesh: RunningMesh, pod: Pod, change: Change): Promise<void> {
  const { progress } = change;
  if (pod.role === 'db' && pod.site === mesh.topology.master) await groupToBeWhole(mesh, pod, change);
  // Who has drained it puts it back.
  const drained = mesh.draining.has(pod.name);
  progress(`${pod.name}: out of rotation`);
  await takeOut(mesh, pod, change, false);
  try {
    await stopGently(mesh, pod, change);
    progress(`${pod.name}: starting`);
    await startBeside(mesh, pod);
  } finally {
    // Even if it failed: health checks keep calls away from it, and it is started again and again.
    mesh.start(pod);
    if (!drained) await putBack(mesh, pod, change);
  }
  progress(drained ? `${pod.name}: started, and still drained` : `${pod.name}: back`);
}

/** Milliseconds for a sidecar to bring the last answers of its process, which has ended, to their callers. */
const flushMs = 3000;

/** Stops a pod that is out of rotation: what it holds is finished or given away. */
export async function stopGently(mesh: RunningMesh, pod: Pod, { progress }: Change): Promise<void> {
  if (pod.role === 'edge') {
    await tell(mesh, pod, '/drain_listeners', progress);
    await untilQuiet(mesh, pod, progress, 2000);
  }
  progress(`${pod.name}: stopping`);
  await stopPod(mesh.running, mesh.topology, pod, 'alone', async () => {
    await tell(mesh, pod, '/drain_listeners?graceful&skip_exit', progress);
    // What the process has written is not yet with those who read slowly.
    await untilQuiet(mesh, pod, progress, flushMs);
  });
}

/**
 * Starts a pod that nobody waits for, and waits until it serves: what its start costs is not taken from those that do.
 * @throws START_FAILED with where its logs are
 */
export async function startBeside(mesh: RunningMesh, pod: Pod): Promise<void> {
  mesh.start(pod);
  await mesh.setModest(pod, true);
  try {
    await waitUntilServes(mesh, pod);
  } finally {
    await mesh.setModest(pod, false);
  }
}

/** @throws START_FAILED with where its logs are */
export const waitUntilServes = (mesh: RunningMesh, pod: Pod): Promise<void> =>
  waitUntilUp({
    topology: { ...mesh.topology, pods: [pod] },
    publicCa: mesh.parts.publicCa,
    progress: () => {},
    signal: new AbortController().signal,
    timeoutMs: backMs,
  });
