import { socketPath } from '#compose/topology/paths.ts';
import type { Pod, Topology } from '#compose/topology/types.ts';
import { askAdmin } from '#envoy/admin/ask.ts';
import { readStats } from '#envoy/admin/stats.ts';
import { tuningOf } from '#envoy/model/load.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { RunningMesh } from '../running-mesh.ts';
import type { Change } from './one-change.ts';

/** Milliseconds between being out of rotation and the next step: calls that had been routed have arrived. */
const settleMs = 300;
/** The same for what processes are told: they look four times a second, and the machine may be busy. */
const toldMs = 1000;
/**
 * Milliseconds for what is under way to end by itself; what lasts longer is cut, and resumed elsewhere. Devices are
 * asked to leave within 12 s (services/proxy/departures.ts).
 */
const quietMs = 20_000;
/** Milliseconds for the others to find by their health checks that a pod is back. */
const seenMs = 15_000;

/** Milliseconds beyond the drain time for replaced listeners to be gone; the machine may be starved. */
const goneMs = 20_000;

/** Pods that take over from this one: of the same tier, of a backend of the same cluster. */
export const stayingBeside = (mesh: RunningMesh, pod: Pod): readonly Pod[] =>
  mesh.topology.pods.filter(
    (other) =>
      other.name !== pod.name &&
      other.role === pod.role &&
      other.backend?.cluster === pod.backend?.cluster &&
      other.gateway?.group === pod.gateway?.group &&
      other.site === pod.site &&
      !mesh.draining.has(other.name) &&
      !mesh.leaving.has(other.name),
  );

/** Whether this pod can be taken out of what others find it by: endpoints, or the group that sessions get gateways of. */
export const isRouted = (pod: Pod): boolean => ['security', 'proxy', 'backend', 'gateway'].includes(pod.role);

/**
 * Takes a pod out of rotation: no sidecar gives it new calls, and, once that has settled, its own sidecar
 * says that it fails its health check, so that connections are ended after the calls on them. Devices that
 * came through an edge are asked by their proxies to go on through another, those of a proxy at another. With
 * `quietToo` calls of any pod are waited for, else those of who stops anyway are not. The only one of its tier stays in.
 */
export async function takeOut(
  mesh: RunningMesh,
  pod: Pod,
  { progress }: Change,
  quietToo: boolean,
): Promise<void> {
  if (stayingBeside(mesh, pod).length === 0) {
    if (pod.role !== 'service' && pod.role !== 'db')
      progress(`${pod.name} is the only one of its kind: nobody takes over from it`);
    return;
  }
  const { clock } = mesh.parts;
  if (isRouted(pod)) {
    mesh.setDraining(pod.name, true);
    await turn(mesh, pod);
    await clock.sleep(pod.role === 'gateway' ? toldMs : settleMs);
  }
  if (pod.role === 'edge' || pod.role === 'proxy') {
    // One after the other, while their connections stand.
    mesh.setLeaving(pod.name, true);
    await untilQuiet(mesh, pod, progress);
  }
  await tell(mesh, pod, '/healthcheck/fail', progress);
  // Security pods hold streams of every proxy for as long as they live.
  if (pod.role === 'backend' || (quietToo && pod.role !== 'security')) await untilQuiet(mesh, pod, progress);
}

/** Has it in or out of rotation: by sidecars, or, since gateways are called by their names, by processes. */
async function turn(mesh: RunningMesh, pod: Pod): Promise<void> {
  if (pod.role === 'gateway') mesh.configureProcesses();
  else await mesh.push();
}

/** Gives a pod calls again, and waits until the others have found that it takes them. */
export async function putBack(mesh: RunningMesh, pod: Pod, change: Change): Promise<void> {
  const wasOut = mesh.draining.has(pod.name) || mesh.leaving.has(pod.name);
  if (!wasOut) return;
  await tell(mesh, pod, '/healthcheck/ok', change.progress);
  if (mesh.leaving.has(pod.name)) mesh.setLeaving(pod.name, false);
  if (!mesh.draining.has(pod.name)) return;
  mesh.setDraining(pod.name, false);
  await turn(mesh, pod);
  if (pod.role !== 'backend') await untilSeen(mesh, pod, change.progress);
}

/**
 * Changes pods whose listeners are replaced by that: out of rotation, devices included, until the old listeners are
 * gone. They are put back whatever happens, but for those that somebody has drained: he puts them back.
 */
export async function changeListeners(
  mesh: RunningMesh,
  pods: readonly Pod[],
  change: Change,
  make: () => Promise<void>,
): Promise<void> {
  const inside = pods.filter(({ name }) => !mesh.draining.has(name) && !mesh.leaving.has(name));
  try {
    await Promise.all(inside.map((pod) => takeOut(mesh, pod, change, true)));
    await make();
    await Promise.all(pods.map((pod) => untilOldListenersAreGone(mesh, pod, change.progress)));
  } finally {
    await Promise.all(inside.map((pod) => putBack(mesh, pod, change)));
  }
}

/** Waits until no request is under way at a pod's sidecar, as long as that is worth it. */
export async function untilQuiet(
  mesh: RunningMesh,
  pod: Pod,
  progress: Change['progress'],
  timeoutMs = quietMs,
): Promise<void> {
  const stat = pod.role === 'edge' ? 'http.public.downstream_rq_active' : 'http.mesh.downstream_rq_active';
  let left: number | undefined;
  try {
    await waitFor(
      async () => {
        left = (await readStats(adminOf(mesh.topology, pod), `^${stat.replaceAll('.', '\\.')}$`)).numbers.get(
          stat,
        );
        return left === 0;
      },
      { timeoutMs, everyMs: 100, what: `${pod.name} to have nothing under way`, clock: mesh.parts.clock },
    );
  } catch {
    progress(
      left === undefined
        ? `${pod.name}'s sidecar does not tell what is under way`
        : `${pod.name}: ${left} requests are cut, and go on elsewhere where they can`,
    );
  }
}

/** Waits until every sidecar that calls the pod's tier finds all of it healthy. */
async function untilSeen(mesh: RunningMesh, pod: Pod, progress: Change['progress']): Promise<void> {
  const callers = mesh.topology.pods.filter(
    ({ name }) => mesh.running.get(`${name} sidecar`)?.identity !== undefined,
  );
  const filter = `^cluster\\.${pod.role}\\.membership_(healthy|total)$`;
  const sees = async (caller: Pod): Promise<boolean> => {
    const { numbers } = await readStats(adminOf(mesh.topology, caller), filter);
    const healthy = numbers.get(`cluster.${pod.role}.membership_healthy`);
    return healthy === undefined || healthy === numbers.get(`cluster.${pod.role}.membership_total`);
  };
  try {
    await waitFor(async () => (await Promise.all(callers.map(sees))).every(Boolean), {
      timeoutMs: seenMs,
      everyMs: 100,
      what: `all sidecars to find ${pod.name} healthy`,
      clock: mesh.parts.clock,
    });
  } catch (error) {
    progress(error instanceof Error ? error.message : String(error));
  }
}

/**
 * Waits until listeners that were replaced have ended the connections that they had (`sidecar.drain_time`): who
 * came back over one of them meanwhile would be cut then.
 */
async function untilOldListenersAreGone(
  mesh: RunningMesh,
  pod: Pod,
  progress: Change['progress'],
): Promise<void> {
  if (!mesh.draining.has(pod.name) && !mesh.leaving.has(pod.name)) return;
  const { sidecar } = tuningOf(mesh.shape.model, pod.role);
  const filter = '^listener_manager\\.total_(listeners|filter_chains)_draining$';
  try {
    await waitFor(
      async () => {
        const { numbers } = await readStats(adminOf(mesh.topology, pod), filter);
        return numbers.size > 0 && [...numbers.values()].every((draining) => draining === 0);
      },
      {
        timeoutMs: Number.parseFloat(sidecar.drain_time) * 1000 + goneMs,
        everyMs: 100,
        what: `the old listeners of ${pod.name} to be gone`,
        clock: mesh.parts.clock,
      },
    );
  } catch (error) {
    progress(error instanceof Error ? error.message : String(error));
  }
}

/** An order to a pod's own sidecar. One that does not answer has nothing to lose. */
export async function tell(
  mesh: RunningMesh,
  pod: Pod,
  order: string,
  progress: Change['progress'],
): Promise<void> {
  try {
    await askAdmin(adminOf(mesh.topology, pod), order, { method: 'POST' });
  } catch (error) {
    progress(`${pod.name}'s sidecar: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const adminOf = (topology: Topology, pod: Pod): string => socketPath(topology, pod.name, 'admin');
