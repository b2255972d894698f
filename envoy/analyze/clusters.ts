import type { Host, Limits } from '../admin/hosts.ts';
import type { Stats } from '../admin/stats.ts';
import { type Finding, finding } from '../check/finding.ts';
import type { Tuning } from '../model/schema.ts';

/** The statistics that {@link analyzeClusters} wants, as a filter for readStats. */
export const clusterStats =
  '^cluster\\..*(circuit_breakers\\.default\\.|upstream_(cx|rq)_(pending_)?(active|overflow)$|upstream_rq_pending_overflow$)';

/** The primary alone answers here that it may be used. */
const primaryCluster = 'db-rw';
const nearShare = 0.8;

export interface ClustersOfSidecar {
  readonly pod: string;
  readonly tuning: Tuning;
  readonly hosts: readonly Host[];
  readonly limits: ReadonlyMap<string, Limits>;
  readonly stats: Stats;
  /** An address in words. */
  readonly place: (address: string) => string;
}

/** Endpoints that get no calls, tiers in panic, and limits that are reached or near, as one sidecar sees them. */
export function analyzeClusters(o: ClustersOfSidecar): Finding[] {
  const clusters = new Map<string, Host[]>();
  for (const host of o.hosts) clusters.set(host.cluster, [...(clusters.get(host.cluster) ?? []), host]);
  return [...clusters].flatMap(([cluster, hosts]) => [
    ...analyzeHosts(o, cluster, hosts),
    ...analyzeLimits(o, cluster),
  ]);
}

function analyzeHosts(
  { pod, tuning, place }: ClustersOfSidecar,
  cluster: string,
  hosts: readonly Host[],
): Finding[] {
  const where = `cds/${cluster}`;
  const healthy = hosts.filter((host) => host.healthy).length;
  const found: Finding[] = [];
  for (const { healthy: good, ejected, reasons, address } of hosts) {
    if (good || (cluster === primaryCluster && !ejected)) continue;
    const code = ejected ? 'ENDPOINT_EJECTED' : 'ENDPOINT_UNHEALTHY';
    found.push(finding(code, pod, where, `${place(address)} (${address}): ${reasons.join(', ')}`));
  }
  if (healthy === 0)
    found.push(finding('NO_HEALTHY_ENDPOINT', pod, where, `none of ${hosts.length} is healthy`));
  else if (cluster !== primaryCluster && (100 * healthy) / hosts.length < tuning.health.panic_threshold)
    found.push(
      finding(
        'PANIC',
        pod,
        where,
        `${healthy} of ${hosts.length} are healthy, fewer than ${tuning.health.panic_threshold} per cent`,
      ),
    );
  return found;
}

function analyzeLimits({ pod, stats: { numbers }, limits }: ClustersOfSidecar, cluster: string): Finding[] {
  const where = `cds/${cluster}`;
  const number = (name: string): number => numbers.get(`cluster.${cluster}.${name}`) ?? 0;
  const limit = limits.get(cluster);
  const found: Finding[] = [];
  for (const [knob, gauge, active, overflow, most] of [
    ['max_connections', 'cx_open', 'upstream_cx_active', 'upstream_cx_overflow', limit?.connections],
    [
      'max_pending_requests',
      'rq_pending_open',
      'upstream_rq_pending_active',
      'upstream_rq_pending_overflow',
      limit?.pending,
    ],
    ['max_requests', 'rq_open', 'upstream_rq_active', 'upstream_rq_active_overflow', limit?.requests],
  ] as const) {
    const now = number(active);
    if (number(`circuit_breakers.default.${gauge}`) > 0)
      found.push(finding('BREAKER_OPEN', pod, where, `${knob} of ${most ?? '?'} is reached`));
    else if (most !== undefined && now >= nearShare * most)
      found.push(finding('BREAKER_NEAR', pod, where, `${now} of ${knob} ${most}`));
    if (number(overflow) > 0)
      found.push(
        finding('BREAKER_OVERFLOWED', pod, where, `${number(overflow)} calls were refused at ${knob}`),
      );
  }
  return found;
}
