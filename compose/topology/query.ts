import { SallyportError } from '#core/errors/error.ts';
import type { Pod, PodRole, PortName, Role, Topology } from './types.ts';

/** The pod of this name; NOT_FOUND if there is none. */
export function podNamed(t: Topology, name: string): Pod {
  const pod = t.pods.find((p) => p.name === name);
  if (pod === undefined)
    throw new SallyportError('NOT_FOUND', {
      message: `there is no pod ${JSON.stringify(name)}`,
      hint: `pods are: ${t.pods.map((p) => p.name).join(', ')}`,
    });
  return pod;
}

/** All pods of a role, in the order of the topology. */
export const podsOf = (t: Topology, role: PodRole): readonly Pod[] => t.pods.filter((p) => p.role === role);

/** The gateways of a group. */
export const podsOfGroup = (t: Topology, group: string): readonly Pod[] =>
  t.pods.filter((pod) => pod.gateway?.group === group);

/** A port that the pod must have; NOT_FOUND otherwise. */
export function portOf(pod: Pod, port: PortName): number {
  const number = pod.ports[port];
  if (number === undefined)
    throw new SallyportError('NOT_FOUND', {
      message: `pod ${pod.name} has no port ${port}`,
      hint: 'add it to the topology',
    });
  return number;
}

/** Names of the clusters of backends, each once, in the order of the topology. */
export const backendClusters = (t: Topology): readonly string[] => [
  ...new Set(t.pods.flatMap((p) => (p.backend ? [p.backend.cluster] : []))),
];

/** Identity of a pod or an operator, the URI SAN of its certificate. */
export const identityOf = (t: Pick<Topology, 'trustDomain'>, role: Role, name: string): string =>
  `spiffe://${t.trustDomain}/${role}/${name}`;

/** What the identities of a role begin with; ends with a slash, so that no role is another's prefix. */
export const rolePrefix = (t: Pick<Topology, 'trustDomain'>, role: Role): string =>
  `spiffe://${t.trustDomain}/${role}/`;
