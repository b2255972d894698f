import { identityOf, rolePrefix } from '#compose/topology/query.ts';
import { type Pod, roles, type Topology } from '#compose/topology/types.ts';
import type { RenderedPod } from '../build/render.ts';
import type { JsonObject } from '../model/json.ts';
import { type Finding, finding } from './finding.ts';
import { objectAt, objectsAt, objectsIn, textAt } from './walk.ts';

/**
 * Whether who stands at the other end is who the configuration accepts. Envoy finds out only when it
 * connects, and then answers like any pod that is down.
 */
export function checkIdentities(topology: Topology, rendered: RenderedPod): Finding[] {
  return [...checkPeers(topology, rendered), ...checkCallers(topology, rendered)];
}

/** Of each cluster with mutual TLS: every pod behind it must have a name that the cluster accepts. */
function checkPeers(topology: Topology, { pod, xds }: RenderedPod): Finding[] {
  return xds.cds.flatMap(({ name, body }) => {
    const matchers = acceptedNames(body);
    if (matchers === undefined) return [];
    const service = textAt(objectAt(body, 'eds_cluster_config'), 'service_name') ?? name;
    const endpoints =
      objectAt(body, 'load_assignment') ?? xds.eds.find((each) => each.name === service)?.body;
    return podsBehind(topology, endpoints ?? {}).flatMap((peer) => {
      const identity = identityOf(topology, peer.role, peer.name);
      if (matchers.some((matcher) => matchesText(matcher, identity))) return [];
      const wanted = matchers.map((matcher) => JSON.stringify(matcher)).join(' or ');
      return [
        finding(
          'PEER_NOT_MATCHED',
          pod,
          `cds/${name}`,
          `${peer.name} is ${identity}, and only ${wanted} is accepted`,
        ),
      ];
    });
  });
}

/** Of each RBAC filter: a caller's name that nobody in this mesh can have admits nobody. */
function checkCallers(topology: Topology, { pod, xds }: RenderedPod): Finding[] {
  return xds.lds.flatMap(({ name, body }) =>
    [...objectsIn(body)].flatMap(({ field, object }) => {
      if (field !== 'principal_name' || isSomebody(topology, object)) return [];
      return [
        finding(
          'CALLER_NOT_MATCHED',
          pod,
          `lds/${name}`,
          `nobody in this mesh is called ${JSON.stringify(object)}`,
        ),
      ];
    }),
  );
}

function isSomebody(topology: Topology, matcher: JsonObject): boolean {
  const named = topology.pods.map((pod) => identityOf(topology, pod.role, pod.name));
  const prefix = textAt(matcher, 'prefix');
  return (
    named.some((identity) => matchesText(matcher, identity)) ||
    // Pods of a role may come later, and operators are no pods.
    roles.some((role) => {
      const begin = rolePrefix(topology, role);
      return prefix === undefined
        ? matchesText(matcher, `${begin}x`) || textAt(matcher, 'exact')?.startsWith(begin)
        : begin.startsWith(prefix) || prefix.startsWith(begin);
    })
  );
}

/** The matchers for URI names in a cluster's TLS; undefined if it takes any. */
function acceptedNames(cluster: JsonObject): JsonObject[] | undefined {
  const context = objectAt(
    cluster,
    'transport_socket',
    'typed_config',
    'common_tls_context',
    'validation_context',
  );
  const matchers = objectsAt(context ?? {}, 'match_typed_subject_alt_names')
    .filter((each) => each.san_type === 'URI')
    .flatMap((each) => objectsAt(each, 'matcher'));
  return matchers.length === 0 ? undefined : matchers;
}

/** The pods at the addresses of a ClusterLoadAssignment. */
export function podsBehind(topology: Topology, endpoints: JsonObject): Pod[] {
  return [...objectsIn(endpoints)].flatMap(({ field, object }) => {
    if (field !== 'socket_address') return [];
    const pod = podAt(topology, String(object.address), Number(object.port_value));
    return pod === undefined ? [] : [pod];
  });
}

/** The pod that listens at an address; undefined if none of the topology does. */
export const podAt = (topology: Topology, address: string, port: number): Pod | undefined =>
  topology.pods.find((pod) => pod.address === address && Object.values(pod.ports).includes(port));

/** Envoy's StringMatcher, as far as this mesh and its patches use it; what is not known matches nothing. */
export function matchesText(matcher: JsonObject, text: string): boolean {
  const fold = (value: string): string => (matcher.ignore_case === true ? value.toLowerCase() : value);
  const given = fold(text);
  const { exact, prefix, suffix, contains } = matcher;
  if (typeof exact === 'string') return given === fold(exact);
  if (typeof prefix === 'string') return given.startsWith(fold(prefix));
  if (typeof suffix === 'string') return given.endsWith(fold(suffix));
  if (typeof contains === 'string') return given.includes(fold(contains));
  const regex = textAt(objectAt(matcher, 'safe_regex'), 'regex');
  // RE2 matches the whole text; what the two dialects do not share is refused by Envoy or by this.
  return regex !== undefined && new RegExp(`^(?:${regex})$`).test(text);
}
