import { podsOf } from '#compose/topology/query.ts';
import { type PodRole, podRoles, type Topology } from '#compose/topology/types.ts';
import { type Finding, type FindingCode, finding } from '../check/finding.ts';
import { tuningOf } from '../model/load.ts';
import type { MeshModel, Tuning } from '../model/schema.ts';

/** Milliseconds of a duration in Envoy's form: `0.25s`. */
export const msOf = (duration: string): number => Number.parseFloat(duration) * 1000;

/** Health checks more often than this flapped on a busy machine (measured with Envoy 1.40). */
const flapMs = 500;
/** Of the retry budget: 20 per cent overflowed when one pod of three was killed. */
const leastBudgetPercent = 50;
/** A hung host may hold calls for no longer than this. */
const hangMs = 5000;

/**
 * Knobs that are within their ranges and will hurt all the same: against each other, against the lease that
 * proxies live by, or against what was measured. `leaseMs` is the longest lease of a proxy.
 */
export function analyzeKnobs(model: MeshModel, topology: Topology, leaseMs: number): Finding[] {
  const own = podRoles.filter((role) => model.roles[role] !== undefined);
  const common = analyzeTuning({ ...model, roles: {} } as Tuning, '', leaseMs);
  const found = own.flatMap((role: PodRole) => {
    const known = new Set(common.map(({ code, message }) => `${code} ${message}`));
    return analyzeTuning(tuningOf(model, role), `roles.${role}.`, leaseMs).filter(
      ({ code, message }) => !known.has(`${code} ${message}`),
    );
  });
  return [...common, ...found, ...analyzeRest(model, topology)];
}

function analyzeTuning(tuning: Tuning, at: string, leaseMs: number): Finding[] {
  const { health, retries, connections, outlier } = tuning;
  const found: Finding[] = [];
  const say = (code: FindingCode, knob: string, message: string): void => {
    found.push(finding(code, '', `${at}${knob}`, message));
  };
  const interval = msOf(health.interval);
  if (interval < flapMs) say('HEALTH_FLAPS', 'health.interval', `pods are asked every ${interval} ms`);
  if (msOf(health.timeout) >= interval)
    say(
      'HEALTH_OVERLAP',
      'health.timeout',
      `an answer may take ${health.timeout}, and the next question comes after ${health.interval}`,
    );
  if (health.panic_threshold === 0) say('PANIC_OFF', 'health.panic_threshold', 'health is never ignored');
  const missed = interval * health.unhealthy_threshold;
  if (missed >= leaseMs)
    say(
      'SLOW_DETECTION',
      'health.unhealthy_threshold',
      `a dead pod is noticed after ${missed} ms, a lease ends after ${leaseMs}`,
    );
  if (retries.attempts === 0) say('RETRIES_OFF', 'retries.attempts', 'no call is tried again');
  const tryMs = msOf(retries.per_try_timeout);
  const all = (retries.attempts + 1) * tryMs + retries.attempts * msOf(retries.back_off_max);
  if (tryMs === 0) say('NO_TRY_TIMEOUT', 'retries.per_try_timeout', 'a try may take as long as the call');
  else if (all >= leaseMs)
    say(
      'TRY_OUTLASTS_LEASE',
      'retries.per_try_timeout',
      `${retries.attempts + 1} tries may take ${all} ms, a lease ends after ${leaseMs}`,
    );
  if (retries.budget_percent < leastBudgetPercent && retries.budget_min_concurrency < 100)
    say(
      'BUDGET_SMALL',
      'retries.budget_percent',
      `${retries.budget_percent} per cent, at least ${retries.budget_min_concurrency} at once`,
    );
  const [ping, pong] = [msOf(connections.keepalive_interval), msOf(connections.keepalive_timeout)];
  if (ping + pong > hangMs)
    say(
      'KEEPALIVE_SLOW',
      'connections.keepalive_interval',
      `a host that hangs is noticed after ${ping + pong} ms`,
    );
  if (pong >= ping)
    say(
      'KEEPALIVE_OVERLAP',
      'connections.keepalive_timeout',
      `an answer may take ${pong} ms, the next ping comes after ${ping}`,
    );
  if (outlier.max_ejection_percent > 50)
    say('EJECTS_MANY', 'outlier.max_ejection_percent', `${outlier.max_ejection_percent} per cent`);
  return found;
}

function analyzeRest({ sticky, edge, database, backends }: MeshModel, topology: Topology): Finding[] {
  const found: Finding[] = [];
  const places = sticky.maglev_table_size;
  const most = Math.max(podsOf(topology, 'security').length, podsOf(topology, 'proxy').length);
  if (places < 100 * most || !isPrime(places))
    found.push(finding('TABLE_SMALL', '', 'sticky.maglev_table_size', `${places} places for ${most} pods`));
  if (msOf(edge.exchange_timeout) < msOf(edge.call_timeout))
    found.push(
      finding(
        'EDGE_TIMEOUTS',
        '',
        'edge.exchange_timeout',
        `${edge.exchange_timeout}, and call_timeout is ${edge.call_timeout}`,
      ),
    );
  if (msOf(database.check_interval) > 1000)
    found.push(
      finding(
        'DATABASE_SLOW',
        '',
        'database.check_interval',
        `the primary is looked for every ${database.check_interval}`,
      ),
    );
  if (msOf(backends.keep_open) >= 5000)
    found.push(
      finding(
        'KEEP_OPEN_LONG',
        '',
        'backends.keep_open',
        `unused connections are kept for ${backends.keep_open}`,
      ),
    );
  return found;
}

export function isPrime(n: number): boolean {
  if (n < 2) return false;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return true;
}

/** What a topology cannot survive: tiers of one, tiers on one host, a group that a tie or one loss stops. */
export function analyzeTopology(topology: Topology): Finding[] {
  const tiers = new Map<string, Topology['pods'][number][]>();
  for (const pod of topology.pods) {
    // Who runs services, workers and gateways decides how many there are; what fails is theirs alone.
    if (pod.role === 'service' || pod.role === 'worker' || pod.role === 'gateway') continue;
    // A replica is no member of the group.
    if (pod.role === 'db' && pod.site !== topology.master) continue;
    const tier = pod.backend === undefined ? pod.role : `backend ${pod.backend.cluster}`;
    tiers.set(tier, [...(tiers.get(tier) ?? []), pod]);
  }
  return [...tiers].flatMap(([tier, pods]) => {
    const found: Finding[] = [];
    const names = pods.map(({ name }) => name).join(', ');
    if (pods.length === 1) found.push(finding('SINGLE_POINT', '', tier, `there is one only: ${names}`));
    else if (new Set(pods.map(({ host }) => host)).size === 1)
      found.push(finding('ONE_HOST', '', tier, `${names} are all on ${pods[0]?.host}`));
    if (tier === 'db' && pods.length > 1 && (pods.length < 3 || pods.length % 2 === 0))
      found.push(
        finding(
          'QUORUM',
          '',
          tier,
          `${pods.length} nodes survive the loss of ${Math.ceil(pods.length / 2) - 1}`,
        ),
      );
    return found;
  });
}
