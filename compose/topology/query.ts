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

/** What of a pod says whether it is a database node, and of what kind. */
interface Placed {
  readonly role: string;
  readonly site?: string | undefined;
}

interface Sited<P> {
  readonly pods: readonly P[];
  readonly master?: string | undefined;
}

/** The database nodes that form the group; those of a slave site follow it. */
export const groupOf = <P extends Placed>({ pods, master }: Sited<P>): P[] =>
  pods.filter((pod) => pod.role === 'db' && pod.site === master);

/** The database nodes of a slave site, which follow the group. */
export const replicasOf = <P extends Placed>({ pods, master }: Sited<P>): P[] =>
  pods.filter((pod) => pod.role === 'db' && pod.site !== master);

/** Base URLs of the edges among pods. */
export const edgeUrlsOf = ({ pods }: Pick<Topology, 'pods'>): string[] =>
  pods.flatMap((pod) => (pod.role === 'edge' ? [`https://${pod.address}:${portOf(pod, 'public')}`] : []));

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

/** The pods of a role at the site of `pod`. */
export const podsBeside = (t: Topology, role: PodRole, { site }: Pick<Pod, 'site'>): readonly Pod[] =>
  podsOf(t, role).filter((pod) => pod.site === site);

/** Names of the clusters that have backends at the site of `pod`, each once, in the order of the topology. */
export const backendClusters = (t: Topology, pod: Pick<Pod, 'site'>): readonly string[] => [
  ...new Set(podsBeside(t, 'backend', pod).flatMap((p) => (p.backend ? [p.backend.cluster] : []))),
];

/** Identity of a pod or an operator, the URI SAN of its certificate. */
export const identityOf = (t: Pick<Topology, 'trustDomain'>, role: Role, name: string): string =>
  `spiffe://${t.trustDomain}/${role}/${name}`;

/** What the identities of a role begin with; ends with a slash, so that no role is another's prefix. */
export const rolePrefix = (t: Pick<Topology, 'trustDomain'>, role: Role): string =>
  `spiffe://${t.trustDomain}/${role}/`;
