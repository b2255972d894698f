import type { PodPart } from '#compose/runner/mesh.ts';
import { socketPath } from '#compose/topology/paths.ts';
import { groupOf, podsOf } from '#compose/topology/query.ts';
import type { PodRole } from '#compose/topology/types.ts';
import { isAlive } from '#kernel/lifecycle/process-identity.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { askStatus } from '#services/db-agent/peers.ts';
import type { OwnMesh } from '#test/mesh.ts';
import type { Failure, Victim } from './drill.ts';
import { chosen } from './random.ts';

type Choose = Failure['victims'];

/** A process of a mesh, as failures name it, with the choice of one. */
export interface Target {
  readonly name: string;
  readonly choose: Choose;
  /** It is a database node, which needs longer. */
  readonly database?: 'primary' | 'secondary';
  /** The company's own: hanging, it looks like one that works on a page that takes its time. */
  readonly company?: true;
  /** Is hit in the short form too. */
  readonly short?: true;
}

/** One of that role's pods, any. */
const anyOf =
  (role: PodRole, part: PodPart): Choose =>
  ({ topology }, random) => [{ pod: chosen(random, podsOf(topology, role)).name, part }];

/** Whatever is hit, there is another one of it that can take its place. */
export const twoBackends = { sizes: { backendReplicas: 2 } } as const;

/** Every kind of process there is. */
export const targets: readonly Target[] = [
  { name: 'a security pod', choose: anyOf('security', 'process'), short: true },
  { name: 'a proxy', choose: anyOf('proxy', 'process'), short: true },
  { name: 'an edge', choose: anyOf('edge', 'sidecar'), short: true },
  { name: "a security pod's sidecar", choose: anyOf('security', 'sidecar') },
  { name: "a proxy's sidecar", choose: anyOf('proxy', 'sidecar') },
  { name: "a backend's sidecar", choose: anyOf('backend', 'sidecar') },
  { name: 'a backend', company: true, choose: anyOf('backend', 'process') },
  { name: "a database node's sidecar", choose: anyOf('db', 'sidecar') },
  { name: 'a db-agent', choose: anyOf('db', 'process') },
  {
    name: 'a database secondary',
    database: 'secondary',
    choose: async (mesh, random) => {
      const primary = await primaryOf(mesh);
      const others = groupOf(mesh.topology).filter(({ name }) => name !== primary);
      return [{ pod: chosen(random, others).name, part: 'mysqld' }];
    },
  },
  {
    name: 'the database primary',
    database: 'primary',
    short: true,
    choose: async (mesh) => [{ pod: await primaryOf(mesh), part: 'mysqld' }],
  },
];

/** The pod whose node is primary, as its agent says. @throws DEADLINE when there is none in 30 s */
export function primaryOf({ topology }: Pick<OwnMesh, 'topology'>): Promise<string> {
  const ask = async ({ name }: { name: string }): Promise<string | undefined> => {
    const status = await askStatus(
      { socketPath: socketPath(topology, name, 'agent'), host: 'agent' },
      1000,
    ).catch(() => undefined);
    return status?.role === 'PRIMARY' && status.state === 'ONLINE' && status.writable ? name : undefined;
  };
  return waitFor(
    async () => (await Promise.all(groupOf(topology).map(ask))).find((name) => name !== undefined),
    { timeoutMs: 30_000, what: 'a primary' },
  );
}

/**
 * Sends a signal to each. Whoever is killed is waited for until he is gone: for some milliseconds after the signal the
 * kernel still takes what is sent to him, which is in flight at his death like all before. @throws when one is not running
 */
export async function signal(mesh: OwnMesh, victims: readonly Victim[], name: NodeJS.Signals): Promise<void> {
  const names = victims.map(({ pod, part }) => `${pod} ${part}`);
  const hit = mesh.processes().filter((each) => names.includes(each.name));
  for (const { pod, part } of victims) {
    if (!mesh.kill(pod, part, name)) throw new Error(`the ${part} of ${pod} is not running`);
  }
  if (name !== 'SIGKILL') return;
  await waitFor(() => hit.every(({ identity }) => !isAlive(identity)), {
    ...{ timeoutMs: 10_000, everyMs: 1, what: `${names.join(', ')} to be gone` },
  });
}
