import { socketPath } from '#compose/topology/paths.ts';
import { identityOf, podNamed } from '#compose/topology/query.ts';
import type { Pod, Topology } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { type ConfigDump, readConfigDump } from '#envoy/admin/config-dump.ts';
import { type Host, readHosts } from '#envoy/admin/hosts.ts';
import { podAt } from '#envoy/check/identities.ts';
import { objectAt, objectsAt, textAt } from '#envoy/check/walk.ts';
import { decideRbac } from '#envoy/explain/decide-rbac.ts';
import { hashedHeader, httpFiltersOf, maglevSizeOf, routesOf } from '#envoy/explain/listener-routes.ts';
import { successionOf } from '#envoy/explain/maglev.ts';
import { type Asked, matchRoute } from '#envoy/explain/match-route.ts';
import { routeHeader } from '#envoy/model/headers.ts';
import type { JsonObject } from '#envoy/model/json.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { UsageError } from '../failure.ts';
import { runningMesh, topologyOf } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import { matchText, targetText } from './config.ts';
import { probeOwner } from './probe-owner.ts';

export interface ExplainOptions extends CommonOptions {
  readonly request?: string;
  readonly listener?: string;
  readonly authority?: string;
  readonly probe?: boolean;
}

/** One thing that happens on the way. */
interface Step {
  readonly at: string;
  readonly what: string;
  /** False for what ends it. */
  readonly ok: boolean;
}

/** `sallyport mesh explain` */
export async function runExplain(
  podName: string,
  key: string | undefined,
  o: ExplainOptions,
  { stateDir, report }: CommandContext,
): Promise<Outcome> {
  if (key === undefined && o.request === undefined)
    throw new UsageError(
      'a route key, a session id or --request is missing',
      '`sallyport mesh explain --help` has examples',
    );
  const topology = topologyOf(runningMesh(stateDir));
  const pod = podNamed(topology, podName);
  const admin = socketPath(topology, pod.name, 'admin');
  const [dump, hosts] = await Promise.all([readConfigDump(admin), readHosts(admin)]);
  // A session id begins with the route key of its enrolment.
  const routeKey = key?.split('.')[0];
  const asked = askedOf(pod, routeKey, o);
  const steps: Step[] = [];
  const owner = explainWayOut({ topology, pod, dump, hosts, asked, routeKey, listener: o.listener, steps });
  let observed: Awaited<ReturnType<typeof probeOwner>> | undefined;
  if (owner?.peer !== undefined && owner.hashed && o.probe) {
    observed = await probeOwner(topology, pod, owner.cluster, routeKey ?? '');
    if (observed !== undefined)
      steps.push({
        at: pod.name,
        what: `observed: ${observed.probes} health checks with this key went to ${observed.pod}`,
        ok: observed.pod === owner.peer.name,
      });
  }
  if (owner?.peer !== undefined) steps.push(...(await explainWayIn(topology, pod, owner.peer, asked)));
  for (const { at, what, ok } of steps) report.say(`${ok ? ' ' : '✗'} ${at.padEnd(12)} ${what}`);
  return {
    ok: steps.every((step) => step.ok),
    items: {
      pod: pod.name,
      asked,
      routeKey,
      owner: owner?.peer?.name,
      succession: owner?.succession ?? [],
      observed,
      items: steps,
    },
  };
}

function askedOf(pod: Pod, routeKey: string | undefined, o: ExplainOptions): Asked {
  const usual =
    pod.role === 'edge'
      ? '/sallyport.relay.v1.Relay/Stream'
      : '/sallyport.authorize.v1.ProxyAuthorize/Authorize';
  const [, method, path] = /^([A-Z]+) (\/\S*)$/.exec(o.request ?? `POST ${usual}`) ?? [];
  if (method === undefined || path === undefined)
    throw new UsageError(
      `${JSON.stringify(o.request)} is no request`,
      "write a method and a path: --request 'POST /sallyport.relay.v1.Relay/Attach'",
    );
  return {
    method,
    path,
    authority: o.authority ?? 'sallyport',
    headers: routeKey === undefined ? {} : { [routeHeader]: routeKey },
  };
}

interface WayOut {
  readonly topology: Topology;
  readonly pod: Pod;
  readonly dump: ConfigDump;
  readonly hosts: readonly Host[];
  readonly asked: Asked;
  readonly routeKey: string | undefined;
  readonly listener: string | undefined;
  readonly steps: Step[];
}

interface Chosen {
  readonly cluster: string;
  readonly hashed: boolean;
  readonly peer: Pod | undefined;
  readonly succession: readonly string[];
}

/** From a listener of the pod's sidecar to the endpoint that it would choose; undefined if it ends before. */
function explainWayOut(o: WayOut): Chosen | undefined {
  const { pod, dump, asked, steps } = o;
  const say = (what: string, ok = true): void => void steps.push({ at: pod.name, what, ok });
  const name = o.listener ?? (pod.role === 'edge' ? 'public' : 'out');
  const listener = dump.listeners.find((each) => each.name === name && each.state === 'active')?.body;
  if (listener === undefined)
    throw new SallyportError('NOT_FOUND', {
      message: `the sidecar of ${pod.name} has no listener ${name}`,
      hint: `it has ${dump.listeners.map((each) => each.name).join(', ')}; choose one with --listener`,
    });
  say(`listener ${name}: filters ${httpFiltersOf(listener).join(' → ') || 'none of HTTP'}`);
  const routes = routesOf(dump, listener);
  const matched = routes && matchRoute(routes, asked);
  if (matched === undefined) {
    say(`no route for ${asked.method} ${asked.path} at ${asked.authority}: 404`, false);
    return undefined;
  }
  const { route, index, virtualHost } = matched;
  say(
    `route ${textAt(routes, 'name')}/${virtualHost}[${index}] ${matchText(objectAt(route, 'match') ?? {})} → ${targetText(route)}`,
  );
  const action = objectAt(route, 'route');
  const clusterName = textAt(action, 'cluster');
  if (action === undefined || clusterName === undefined) {
    say(`it is answered here: ${targetText(route)}`, false);
    return undefined;
  }
  for (const line of limitsText(action)) say(line);
  return choose(o, clusterName, route);
}

function choose(
  { topology, pod, dump, hosts, routeKey, steps }: WayOut,
  clusterName: string,
  route: JsonObject,
): Chosen | undefined {
  const say = (what: string, ok = true): void => void steps.push({ at: pod.name, what, ok });
  const cluster = dump.clusters.find(({ name }) => name === clusterName)?.body ?? {};
  const own = hosts.filter((host) => host.cluster === clusterName);
  const podOf = (host: Host): Pod | undefined => {
    const at = host.address.lastIndexOf(':');
    return podAt(topology, host.address.slice(0, at), Number(host.address.slice(at + 1)));
  };
  const named = (list: readonly Host[]): string[] => list.map((host) => podOf(host)?.name ?? host.address);
  const healthy = own.filter((host) => host.healthy);
  const ill = own
    .filter((host) => !host.healthy)
    .map((host) => `${podOf(host)?.name ?? host.address} ${host.reasons.join(', ')}`);
  say(
    `cluster ${clusterName}: ${named(healthy).join(', ') || 'none'} healthy${ill.length > 0 ? `; ${ill.join('; ')}` : ''}`,
    own.length > 0,
  );
  // Envoy's default; a dump leaves a value of 0 out.
  const given = objectAt(cluster, 'common_lb_config', 'healthy_panic_threshold');
  const panic = given === undefined ? 50 : Number(given.value ?? 0);
  const inPanic = own.length > 0 && (100 * healthy.length) / own.length < panic;
  if (inPanic) say(`fewer than ${panic} per cent are healthy: health is ignored`);
  const eligible = inPanic ? own : healthy;
  if (eligible.length === 0) {
    say('no pod can be chosen: 503 UH', false);
    return undefined;
  }
  const header = hashedHeader(route);
  const size = maglevSizeOf(cluster);
  if (header === undefined || size === undefined || routeKey === undefined) {
    say(header === undefined ? 'no hash: any of them in turn' : 'no route key is given: any of them');
    // One of them, to go on with: they are all configured alike.
    const [one] = eligible;
    return { cluster: clusterName, hashed: false, peer: one && podOf(one), succession: [] };
  }
  const succession = successionOf(routeKey, named(eligible), size);
  const [owner = '', ...next] = succession;
  say(
    `Maglev of ${header}=${routeKey} over ${size} places: owner ${owner} (computed)${next.length > 0 ? `, then ${next.join(', then ')}` : ''}`,
  );
  return {
    cluster: clusterName,
    hashed: true,
    peer: topology.pods.find(({ name }) => name === owner),
    succession,
  };
}

/** At the other end: who it is taken for, what it may, and which socket of the process gets it. */
async function explainWayIn(topology: Topology, from: Pod, to: Pod, asked: Asked): Promise<Step[]> {
  const steps: Step[] = [];
  const say = (what: string, ok = true): void => void steps.push({ at: to.name, what, ok });
  const caller = identityOf(topology, from.role, from.name);
  const dump = await readConfigDump(socketPath(topology, to.name, 'admin'));
  const listener = dump.listeners.find(({ name, state }) => name === 'mesh' && state === 'active')?.body;
  if (listener === undefined) {
    say('its sidecar has no listener mesh', false);
    return steps;
  }
  say(`mutual TLS: the caller is ${caller}`);
  const decision = decideRbac(listener, caller, asked);
  if (decision !== undefined)
    say(
      decision.allow
        ? `RBAC lets it in by policy ${decision.policy}`
        : `RBAC refuses it: role ${from.role} may not use ${asked.path} (PERMISSION_DENIED)`,
      decision.allow,
    );
  if (decision?.allow === false) return steps;
  const matched = matchRoute(routesOf(dump, listener) ?? {}, asked);
  const cluster = matched && textAt(objectAt(matched.route, 'route'), 'cluster');
  if (cluster === undefined) say('no route to the process: 404', false);
  else say(`to the process by ${cluster}.sock`);
  return steps;
}

/** Time-outs and retries of a route, in the order in which they come into play. */
function limitsText(action: JsonObject): string[] {
  const policy = objectAt(action, 'retry_policy');
  const limit = textAt(objectAt(action, 'max_stream_duration') ?? {}, 'max_stream_duration');
  const time = [
    `time-out ${textAt(action, 'timeout') === '0s' ? "the caller's deadline" : (textAt(action, 'timeout') ?? '15s')}`,
    ...(limit === undefined ? [] : [`at most ${limit}`]),
    ...(textAt(action, 'idle_timeout') === undefined
      ? []
      : [`silence at most ${textAt(action, 'idle_timeout')}`]),
  ].join(', ');
  if (policy === undefined) return [time, 'never tried again'];
  const back = objectAt(policy, 'retry_back_off');
  const perTry = textAt(policy, 'per_try_timeout');
  const other = objectsAt(policy, 'retry_host_predicate').length > 0 ? ', at a pod not tried yet' : '';
  const conditions = (textAt(policy, 'retry_on') ?? '').replaceAll(',', ', ');
  const wait =
    back === undefined ? '' : `, after ${textAt(back, 'base_interval')} to ${textAt(back, 'max_interval')}`;
  return [
    time,
    `up to ${policy.num_retries ?? 1} more tries${other}${wait}${perTry === undefined ? '' : `, each at most ${perTry}`}: on ${conditions}`,
  ];
}
