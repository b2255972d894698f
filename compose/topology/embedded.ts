import { checkTopology } from './check.ts';
import { type Pod, type PodRole, type PortName, portsOf, type Topology } from './types.ts';

export interface EmbeddedOptions {
  readonly stateDir: string;
  readonly runDir: string;
  /** Default `sallyport`. */
  readonly mesh?: string;
  /** Default `sallyport.internal`. */
  readonly trustDomain?: string;
  /** How many pods of each tier; defaults 3, 3, 2, 3, 1, 0. */
  readonly security?: number;
  readonly proxies?: number;
  readonly edges?: number;
  readonly db?: number;
  readonly workers?: number;
  readonly services?: number;
  /** Clusters of backends, each with this many pods; default `['intranet']`, 1 each. */
  readonly backends?: readonly string[];
  readonly backendReplicas?: number;
  /** Groups of gateways, each with its number of pods, at the slave site if that is named; default none. */
  readonly gateways?: readonly {
    readonly name: string;
    readonly pods: number;
    readonly site?: string | undefined;
  }[];
  /** The slave site; default none. */
  readonly slave?: SlavePlan | undefined;
  /** Since a slave site was promoted: which site is master (undefined: the one without a name), and whether it is alone. */
  readonly promoted?: { readonly master: string | undefined; readonly alone: boolean } | undefined;
  /** Default host-0..2 on 127.0.0.1. Pod n of a tier lives on host n mod length, of those for its role if there are any. */
  readonly hosts?: readonly Place[];
  /** Gives the port for a pod's listener, below 32768; keeping and reserving it is the caller's business. */
  readonly allocatePort: (pod: string, port: PortName, address: string) => number;
}

/** A failure domain, with the address of its pods. */
export interface Place {
  readonly name: string;
  readonly address: string;
  /** It has only pods of these roles, and they are on such hosts only. */
  readonly roles?: readonly PodRole[];
}

/** What stands at a slave site. */
export interface SlavePlan {
  readonly name: string;
  readonly hosts: readonly Place[];
  readonly edges: number;
  readonly proxies: number;
  readonly backends: readonly string[];
  readonly backendPods: number;
  /** A database node that follows the group. */
  readonly replica: boolean;
}

/** Names of the embedded mesh when nothing else is said. */
export const defaultNames = { mesh: 'sallyport', trustDomain: 'sallyport.internal' } as const;

const loopbackHosts: readonly Place[] = [0, 1, 2].map((n) => ({ name: `host-${n}`, address: '127.0.0.1' }));

/**
 * The whole mesh on one machine: three hosts, each with one pod of every tier, and two edges. A function
 * of its options alone; throws CONFIG_INVALID if what comes out breaks a rule of {@link checkTopology}.
 */
export function embeddedTopology(o: EmbeddedOptions): Topology {
  const masterHosts = o.hosts ?? loopbackHosts;
  const tier = (
    role: PodRole,
    prefix: string,
    count: number,
    own: Pick<Pod, 'backend' | 'gateway' | 'site'> = {},
    hosts = masterHosts,
  ): Pod[] => {
    const meant = hosts.filter(({ roles }) => roles?.includes(role));
    const places = meant.length > 0 ? meant : hosts.filter(({ roles }) => roles === undefined);
    return Array.from({ length: count }, (_, n) => {
      const host = places[n % places.length] ?? { name: 'host-0', address: '127.0.0.1' };
      const name = `${prefix}-${n}`;
      const ports = Object.fromEntries(
        portsOf[role].map((port) => [port, o.allocatePort(name, port, host.address)]),
      );
      return { name, role, host: host.name, address: host.address, ports, ...own };
    });
  };
  const master = o.promoted?.master;
  const isThere = (site: string | undefined): boolean => site === master || o.promoted?.alone !== true;
  const ifMaster = (site: string | undefined, pods: () => Pod[]): Pod[] => (site === master ? pods() : []);
  const gatewaysAt = (place: string | undefined, hosts: typeof masterHosts): Pod[] =>
    (o.gateways ?? [])
      .filter(({ site }) => (site === o.slave?.name ? site : undefined) === place)
      .flatMap(({ name, pods }) =>
        tier(
          'gateway',
          `gw-${name}`,
          pods,
          { gateway: { group: name }, ...(place !== undefined && { site: place }) },
          hosts,
        ),
      );
  const atSlave = ({ name: site, hosts, ...plan }: SlavePlan): Pod[] => [
    ...tier('db', `db-${site}`, site === master ? (o.db ?? 3) : plan.replica ? 1 : 0, { site }, hosts),
    ...ifMaster(site, () => tier('security', `sec-${site}`, o.security ?? 3, { site }, hosts)),
    ...ifMaster(site, () => tier('worker', `worker-${site}`, o.workers ?? 1, { site }, hosts)),
    ...gatewaysAt(site, hosts),
    ...tier('proxy', `proxy-${site}`, plan.proxies, { site }, hosts),
    ...plan.backends.flatMap((cluster) =>
      tier('backend', `${cluster}-${site}`, plan.backendPods, { backend: { cluster }, site }, hosts),
    ),
    ...tier('edge', `edge-${site}`, plan.edges, { site }, hosts),
  ];
  const atFirst = (): Pod[] => [
    ...tier('db', 'db', master === undefined ? (o.db ?? 3) : 1),
    ...ifMaster(undefined, () => tier('security', 'sec', o.security ?? 3)),
    ...tier('proxy', 'proxy', o.proxies ?? 3),
    ...ifMaster(undefined, () => tier('worker', 'worker', o.workers ?? 1)),
    ...gatewaysAt(undefined, masterHosts),
    ...tier('service', 'svc', o.services ?? 0),
    ...(o.backends ?? ['intranet']).flatMap((cluster) =>
      tier('backend', cluster, o.backendReplicas ?? 1, { backend: { cluster } }),
    ),
    ...tier('edge', 'edge', o.edges ?? 2),
  ];
  const topology: Topology = {
    mesh: o.mesh ?? defaultNames.mesh,
    trustDomain: o.trustDomain ?? defaultNames.trustDomain,
    stateDir: o.stateDir,
    runDir: o.runDir,
    ...(master !== undefined && { master }),
    pods: [
      ...(isThere(undefined) ? atFirst() : []),
      ...(o.slave && isThere(o.slave.name) ? atSlave(o.slave) : []),
    ],
  };
  checkTopology(topology);
  return topology;
}
