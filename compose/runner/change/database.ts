import { socketPath } from '#compose/topology/paths.ts';
import type { Pod } from '#compose/topology/types.ts';
import { askStatus } from '#services/db-agent/peers.ts';
import type { RunningMesh } from '../running-mesh.ts';

const answerMs = 2000;

/**
 * Nodes of the database in the order in which they are restarted: the primary last, so that its role moves
 * once. Stopping it hands the role over first (services/db-agent/stop-node.ts), which takes 0.1 s.
 */
export async function primaryLast(mesh: RunningMesh, nodes: readonly Pod[]): Promise<Pod[]> {
  const roles = await Promise.all(nodes.map((pod) => roleOf(mesh, pod)));
  const isPrimary = (pod: Pod): boolean => roles[nodes.indexOf(pod)] === 'PRIMARY';
  return [...nodes.filter((pod) => !isPrimary(pod)), ...nodes.filter(isPrimary)];
}

/** What a node is in its group; nothing if its agent does not answer. */
async function roleOf(mesh: RunningMesh, pod: Pod): Promise<string> {
  const endpoint = { socketPath: socketPath(mesh.topology, pod.name, 'agent'), host: 'agent' };
  return askStatus(endpoint, answerMs).then(
    ({ role }) => role,
    () => '',
  );
}
