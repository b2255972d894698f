import type { Pod, Topology } from '#compose/topology/types.ts';
import { issueCertificates } from '../certificates.ts';
import type { RunningMesh } from '../running-mesh.ts';
import type { Sizes } from '../settings.ts';
import type { Change } from './one-change.ts';
import { startBeside, stopGently } from './restart.ts';
import { putBack, takeOut } from './rotation.ts';

export interface Scaled {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/**
 * Gives a tier another number of pods. New ones are started and serve before anybody calls them; the
 * highest-numbered ones are taken out of rotation and have finished before they are forgotten.
 * @param place makes the topology of the sizes; ports of the pods that stay do not change
 * @throws START_FAILED when a new pod does not serve: then the mesh is as it was
 */
export async function scale(
  mesh: RunningMesh,
  sizes: Sizes,
  place: (sizes: Sizes, running: Topology) => Promise<Topology>,
  change: Change,
): Promise<Scaled> {
  const before = mesh.topology;
  const after = await place(sizes, before);
  const named = (topology: Topology): Set<string> => new Set(topology.pods.map(({ name }) => name));
  const added = after.pods.filter(({ name }) => !named(before).has(name));
  const removed = before.pods.filter(({ name }) => !named(after).has(name)).reverse();
  change.signal.throwIfAborted();
  if (added.length > 0) await add(mesh, after, added, change);
  if (removed.length > 0) await remove(mesh, after, removed, change);
  return { added: added.map(({ name }) => name), removed: removed.map(({ name }) => name) };
}

async function add(mesh: RunningMesh, after: Topology, pods: readonly Pod[], change: Change): Promise<void> {
  const before = mesh.shape;
  // Those that go stay until they have been drained.
  const leaving = before.topology.pods.filter((pod) => !after.pods.some(({ name }) => name === pod.name));
  const topology = { ...after, pods: [...after.pods, ...leaving] };
  await issueCertificates(mesh.parts.pki, topology);
  for (const { name } of pods) mesh.setDraining(name, true);
  try {
    await mesh.reshape({ ...before, topology });
    // A gateway that dials out is let in by proxies that know it; nobody is given it before it is in rotation.
    if (pods.some(({ role }) => role === 'gateway')) mesh.configureProcesses();
    const start = async (pod: Pod): Promise<void> => {
      change.progress(`${pod.name}: starting`);
      await startBeside(mesh, pod);
    };
    await Promise.all(pods.map(start));
    change.signal.throwIfAborted();
  } catch (error) {
    await Promise.all(pods.map((pod) => stopGently(mesh, pod, change)));
    await mesh.reshape(before);
    for (const { name } of pods) mesh.forget(name);
    mesh.configureProcesses();
    throw error;
  }
  mesh.configureProcesses();
  for (const pod of pods) {
    await putBack(mesh, pod, change);
    change.progress(`${pod.name}: in rotation`);
  }
}

async function remove(
  mesh: RunningMesh,
  after: Topology,
  pods: readonly Pod[],
  change: Change,
): Promise<void> {
  for (const pod of pods) {
    change.progress(`${pod.name}: out of rotation`);
    await takeOut(mesh, pod, change, false);
  }
  await Promise.all(pods.map((pod) => stopGently(mesh, pod, change)));
  const { topology: before } = mesh.shape;
  await mesh.reshape({ ...mesh.shape, topology: after });
  mesh.configureProcesses();
  for (const { name } of pods) mesh.forget(name);
  change.progress(`${before.pods.length - after.pods.length} pods fewer`);
}
