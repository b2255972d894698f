/** What drills have in common in which hosts are lost, cut off or far away. */
import { podNamed } from '#compose/topology/query.ts';
import type { OwnMesh } from '#test/mesh.ts';
import type { DrillDefinition, Failure, StallGoals, Victim } from './drill.ts';
import { primaryOf } from './targets.ts';

/** Each has a security pod, a proxy, a database node and a backend; the first two an edge as well. */
export const hosts = ['host-0', 'host-1', 'host-2'] as const;

/** An intranet that does not go down with any one host: what is drilled is the way to it. */
export const onHosts: Pick<DrillDefinition, 'mesh' | 'hosts'> = {
  mesh: { sizes: { backendReplicas: 3 } },
  hosts,
};

/** The table of issue 5, for one host of three with the database primary on it. */
export const hostGoals: StallGoals = { relay: 4000, login: 4000, write: 8000 };

/** Everything on the host of the database primary. */
export const primaryHost: Failure['victims'] = async (mesh) => {
  const { host } = podNamed(mesh.topology, await primaryOf(mesh));
  return mesh.topology.pods
    .filter((pod) => pod.host === host)
    .flatMap(({ name, role }): Victim[] => [
      { pod: name, part: 'sidecar' },
      ...(role === 'edge' ? [] : [{ pod: name, part: 'process' } as const]),
      ...(role === 'db' ? [{ pod: name, part: 'mysqld' } as const] : []),
    ]);
};

/** The one host on which all victims are. */
export function hostOf({ topology }: Pick<OwnMesh, 'topology'>, victims: readonly Victim[]): string {
  const all = new Set(victims.map(({ pod }) => podNamed(topology, pod).host));
  const [host] = all;
  if (host === undefined || all.size > 1) throw new Error(`the victims are on ${all.size} hosts`);
  return host;
}

export const othersThan = (host: string): string[] => hosts.filter((each) => each !== host);
