import { stringify } from 'yaml';
import { socketPath } from '#compose/topology/paths.ts';
import { podNamed } from '#compose/topology/query.ts';
import type { Topology } from '#compose/topology/types.ts';
import { type DumpedResource, type DumpType, dumpTypes, readConfigDump } from '#envoy/admin/config-dump.ts';
import { type Host, readHosts } from '#envoy/admin/hosts.ts';
import { objectAt, objectsAt, objectsIn, textAt } from '#envoy/check/walk.ts';
import type { JsonObject } from '#envoy/model/json.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { runningMesh, topologyOf } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import { table } from '../table.ts';
import { placeText } from './observe.ts';

export interface ConfigOptions extends CommonOptions {
  readonly type?: DumpType;
  readonly name?: string;
  readonly yaml?: boolean;
  readonly full?: boolean;
}

/** `sallyport mesh config` */
export async function runConfig(
  podName: string,
  o: ConfigOptions,
  { stateDir, report }: CommandContext,
): Promise<Outcome> {
  const topology = topologyOf(runningMesh(stateDir));
  const pod = podNamed(topology, podName);
  const admin = socketPath(topology, pod.name, 'admin');
  const [dump, hosts] = await Promise.all([readConfigDump(admin), readHosts(admin)]);
  const types = o.type === undefined ? dumpTypes : [o.type];
  const chosen = types.flatMap((type) =>
    dump[type]
      .filter(({ name }) => o.name === undefined || name === o.name)
      .map((resource) => ({ type, ...resource })),
  );
  if (o.yaml || o.full) {
    const bodies = chosen.map(({ body }) => body);
    report.say(o.yaml ? stringify(bodies).trimEnd() : JSON.stringify(bodies, null, 2));
  } else
    for (const type of types) {
      const rows = rowsOf[type](
        dump[type].filter(({ name }) => o.name === undefined || name === o.name),
        topology,
        hosts,
      );
      if (rows.length === 0) continue;
      report.say(`${type}:`);
      for (const line of table(heads[type], rows)) report.say(`  ${line}`);
    }
  return { ok: true, items: { pod: pod.name, items: chosen, hosts } };
}

const heads: Readonly<Record<DumpType, readonly string[]>> = {
  listeners: ['name', 'state', 'address', 'filters', 'routes', 'version'],
  clusters: ['name', 'state', 'type', 'endpoints', 'healthy', 'peer', 'version'],
  routes: ['routes', 'domains', 'match', 'to', 'retries', 'timeout'],
  endpoints: ['cluster', 'pod', 'address', 'health', 'requests', 'errors', 'active'],
  secrets: ['name', 'state', 'holds', 'version', 'updated'],
  bootstrap: ['node', 'cluster', 'zone', 'updated'],
};

type Rows = (resources: readonly DumpedResource[], topology: Topology, hosts: readonly Host[]) => string[][];

const rowsOf: Readonly<Record<DumpType, Rows>> = {
  listeners: (list) =>
    list.map(({ name, state, version, body }) => [
      name,
      state,
      addressText(objectAt(body, 'address')),
      filterNames(body).join(' → '),
      routeNames(body).join(', ') || '-',
      version,
    ]),
  clusters: (list, _, hosts) =>
    list.map(({ name, state, version, body }) => {
      const own = hosts.filter(({ cluster }) => cluster === name);
      return [
        name,
        state,
        textAt(body, 'type') ?? 'STATIC',
        String(own.length),
        String(own.filter(({ healthy }) => healthy).length),
        acceptedPeer(body),
        version,
      ];
    }),
  routes: (list) =>
    list.flatMap(({ body }) =>
      objectsAt(body, 'virtual_hosts').flatMap((host) =>
        objectsAt(host, 'routes').map((route) => [
          textAt(body, 'name') ?? '',
          Array.isArray(host.domains) ? host.domains.join(' ') : '',
          matchText(objectAt(route, 'match') ?? {}),
          targetText(route),
          retryText(objectAt(route, 'route', 'retry_policy')),
          textAt(objectAt(route, 'route'), 'timeout') ?? '-',
        ]),
      ),
    ),
  endpoints: (_, topology, hosts) =>
    hosts.map((host) => [
      host.cluster,
      placeText(topology, host.address),
      host.address,
      host.healthy ? 'healthy' : host.reasons.join(', '),
      String(host.requests),
      String(host.errors),
      String(host.active),
    ]),
  secrets: (list) =>
    list.map(({ name, state, version, updatedAt, body }) => [
      name,
      state,
      Object.keys(body)
        .filter((field) => field !== '@type' && field !== 'name')
        .join(', '),
      version,
      updatedAt,
    ]),
  bootstrap: (list) =>
    list.map(({ body, updatedAt }) => {
      const node = objectAt(body, 'node');
      return [
        textAt(node, 'id') ?? '',
        textAt(node, 'cluster') ?? '',
        textAt(objectAt(node ?? {}, 'locality'), 'zone') ?? '',
        updatedAt,
      ];
    }),
};

function addressText(address: JsonObject | undefined): string {
  const socket = objectAt(address ?? {}, 'socket_address');
  if (socket === undefined) return textAt(objectAt(address ?? {}, 'pipe'), 'path') ?? '';
  return `${socket.address}:${socket.port_value}${socket.protocol === 'UDP' ? '/udp' : ''}`;
}

const short = (name: string): string => name.split('.').at(-1) ?? name;

const filterNames = (listener: JsonObject): string[] =>
  objectsAt(listener, 'filter_chains').flatMap((chain) =>
    objectsAt(chain, 'filters').flatMap((filter) => [
      short(textAt(filter, 'name') ?? ''),
      ...objectsAt(objectAt(filter, 'typed_config') ?? {}, 'http_filters').map((each) =>
        short(textAt(each, 'name') ?? ''),
      ),
    ]),
  );

const routeNames = (listener: JsonObject): string[] => [
  ...new Set(
    [...objectsIn(listener)].flatMap(({ field, object }) => {
      const name =
        field === 'rds'
          ? textAt(object, 'route_config_name')
          : field === 'route_config'
            ? textAt(object, 'name')
            : undefined;
      return name === undefined ? [] : [name];
    }),
  ),
];

function acceptedPeer(cluster: JsonObject): string {
  const context = objectAt(
    cluster,
    'transport_socket',
    'typed_config',
    'common_tls_context',
    'validation_context',
  );
  const names = objectsAt(context ?? {}, 'match_typed_subject_alt_names').map((each) =>
    String(Object.values(objectAt(each, 'matcher') ?? {})[0]),
  );
  return names.join(' ') || '-';
}

/** A route's match in a few words. */
export function matchText(match: JsonObject): string {
  const path =
    textAt(match, 'path') ??
    (textAt(match, 'prefix') === undefined ? undefined : `${textAt(match, 'prefix')}*`) ??
    '?';
  const headers = objectsAt(match, 'headers').map((each) => {
    const wanted = objectAt(each, 'string_match');
    return wanted === undefined
      ? textAt(each, 'name')
      : `${textAt(each, 'name')}=${Object.values(wanted)[0]}`;
  });
  return [path, ...headers].join(' ');
}

/** Where a route leads, in a few words. */
export function targetText(route: JsonObject): string {
  const action = objectAt(route, 'route');
  if (action === undefined) {
    const direct = objectAt(route, 'direct_response');
    return direct === undefined ? '-' : `answers ${direct.status}`;
  }
  return textAt(action, 'cluster') ?? 'weighted';
}

const retryText = (policy: JsonObject | undefined): string =>
  policy === undefined ? '-' : `${policy.num_retries ?? 1} on ${textAt(policy, 'retry_on') ?? ''}`;
