import { askAdmin } from './ask.ts';

/** One endpoint of a cluster, as a sidecar sees it at this moment. */
export interface Host {
  readonly cluster: string;
  /** `127.0.0.1:20001`, or the path of a socket. */
  readonly address: string;
  /** What it is hashed by (Maglev's hash_key), else its host name; may be empty. */
  readonly hostname: string;
  readonly healthy: boolean;
  /** Why not: `failed active health check`, `ejected`, …; empty when it is healthy. */
  readonly reasons: readonly string[];
  readonly ejected: boolean;
  readonly weight: number;
  readonly requests: number;
  readonly errors: number;
  readonly active: number;
}

interface RawHost {
  readonly address?: {
    readonly socket_address?: { readonly address?: string; readonly port_value?: number };
    readonly pipe?: { readonly path?: string };
  };
  readonly hostname?: string;
  readonly stats?: readonly { readonly name?: string; readonly value?: string }[];
  readonly health_status?: Readonly<Record<string, unknown>>;
  readonly weight?: number;
}
interface RawClusters {
  readonly cluster_statuses?: readonly {
    readonly name?: string;
    readonly host_statuses?: readonly RawHost[];
    readonly circuit_breakers?: { readonly thresholds?: readonly RawThreshold[] };
  }[];
}

/** Names of HostHealthStatus in Envoy's admin API, in words. */
const ailments: Readonly<Record<string, string>> = {
  failed_active_health_check: 'fails its health check',
  failed_outlier_check: 'ejected as an outlier',
  failed_active_degraded_check: 'says it is degraded',
  pending_dynamic_removal: 'taken out',
  pending_active_hc: 'not checked yet',
  excluded_via_immediate_hc_fail: 'says it is draining',
  active_hc_timeout: 'does not answer its health check in time',
};

/** The endpoints of all clusters of a sidecar. @throws as askAdmin */
export async function readHosts(socketPath: string): Promise<Host[]> {
  return parseHosts(await readClusters(socketPath));
}

/** Limits of a cluster's circuit breaker, of default priority. */
export interface Limits {
  readonly connections: number;
  readonly pending: number;
  readonly requests: number;
}

/** Hosts, and the limits of each cluster, at one moment. @throws as askAdmin */
export async function readHostsAndLimits(
  socketPath: string,
): Promise<{ readonly hosts: readonly Host[]; readonly limits: ReadonlyMap<string, Limits> }> {
  const clusters = await readClusters(socketPath);
  const limits = new Map<string, Limits>();
  for (const { name = '', circuit_breakers } of clusters.cluster_statuses ?? []) {
    const usual = circuit_breakers?.thresholds?.find((each) => each.priority === undefined);
    if (usual !== undefined)
      limits.set(name, {
        connections: usual.max_connections ?? Number.POSITIVE_INFINITY,
        pending: usual.max_pending_requests ?? Number.POSITIVE_INFINITY,
        requests: usual.max_requests ?? Number.POSITIVE_INFINITY,
      });
  }
  return { hosts: parseHosts(clusters), limits };
}

const readClusters = async (socketPath: string): Promise<RawClusters> =>
  JSON.parse(await askAdmin(socketPath, '/clusters?format=json')) as RawClusters;

interface RawThreshold {
  readonly priority?: string;
  readonly max_connections?: number;
  readonly max_pending_requests?: number;
  readonly max_requests?: number;
}

export function parseHosts({ cluster_statuses = [] }: RawClusters): Host[] {
  return cluster_statuses.flatMap(({ name = '', host_statuses = [] }) =>
    host_statuses.map((host) => {
      const status = host.health_status ?? {};
      const stat = (wanted: string): number =>
        Number(host.stats?.find((each) => each.name === wanted)?.value ?? 0);
      // A primary says that it is degraded, so that reads go to secondaries first.
      const reasons = Object.entries(ailments).flatMap(([field, words]) =>
        status[field] === true && field !== 'failed_active_degraded_check' ? [words] : [],
      );
      const socket = host.address?.socket_address;
      return {
        cluster: name,
        address:
          socket === undefined ? (host.address?.pipe?.path ?? '') : `${socket.address}:${socket.port_value}`,
        hostname: host.hostname ?? '',
        healthy: reasons.length === 0,
        reasons,
        ejected: status.failed_outlier_check === true,
        weight: host.weight ?? 1,
        requests: stat('rq_total'),
        errors: stat('rq_error'),
        active: stat('rq_active'),
      };
    }),
  );
}
