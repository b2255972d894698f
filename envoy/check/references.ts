import { type Folders, xdsFile } from '#compose/topology/paths.ts';
import type { RenderedPod, RenderedResource } from '../build/render.ts';
import type { JsonObject } from '../model/json.ts';
import { type Finding, type FindingCode, finding } from './finding.ts';
import { objectAt, objectsAt, objectsIn, textAt } from './walk.ts';

/**
 * What a pod's resources name and what there is under that name. Envoy itself takes a TCP proxy, a mirror
 * or, without validate_clusters, a route to a cluster that is not there, and waits for ever for endpoints,
 * routes or secrets of another name; so this looks before.
 */
export function checkReferences(folders: Folders, { pod, xds }: RenderedPod): Finding[] {
  const names = (resources: readonly RenderedResource[]) => new Set(resources.map(({ name }) => name));
  const [clusters, routes, secrets, endpoints] = [xds.cds, xds.rds, xds.sds, xds.eds].map(names) as [
    Set<string>,
    Set<string>,
    Set<string>,
    Set<string>,
  ];
  const files = new Set(
    (['sds', 'eds', 'rds'] as const)
      .flatMap((type) => xds[type].map(({ name }) => xdsFile(folders, pod, type, name)))
      .concat(xdsFile(folders, pod, 'cds'), xdsFile(folders, pod, 'lds')),
  );
  const found: Finding[] = [];
  const all = (['lds', 'rds', 'cds'] as const).flatMap((type) =>
    xds[type].map(({ name, body }) => ({ where: `${type}/${name}`, body })),
  );
  for (const { where, body } of all) {
    const missing = (code: FindingCode, what: string, name: string, known: ReadonlySet<string>): void => {
      if (!known.has(name))
        found.push(
          finding(
            code,
            pod,
            where,
            `there is no ${what} ${JSON.stringify(name)}; there are ${[...known].join(', ') || 'none'}`,
          ),
        );
    };
    for (const { field, object } of objectsIn(body)) {
      for (const name of clusterNames(field, object)) missing('UNKNOWN_CLUSTER', 'cluster', name, clusters);
      if (field === 'rds' && textAt(object, 'route_config_name') !== undefined)
        missing('UNKNOWN_ROUTES', 'route configuration', textAt(object, 'route_config_name') ?? '', routes);
      if (object.sds_config !== undefined && textAt(object, 'name') !== undefined)
        missing('UNKNOWN_SECRET', 'secret', textAt(object, 'name') ?? '', secrets);
      const path = textAt(objectAt(object, 'path_config_source'), 'path');
      if (path !== undefined && !files.has(path))
        found.push(finding('UNKNOWN_ENDPOINTS', pod, where, `it reads ${path}, which nothing writes`));
      if (isRouteConfig(object) && object.validate_clusters !== true)
        found.push(
          finding(
            'CLUSTERS_NOT_CHECKED',
            pod,
            where,
            `routes ${textAt(object, 'name') ?? ''} have no validate_clusters`,
          ),
        );
    }
  }
  for (const { name, body } of xds.cds) {
    if (body.type !== 'EDS') continue;
    const service = textAt(objectAt(body, 'eds_cluster_config'), 'service_name') ?? name;
    if (!endpoints.has(service))
      found.push(
        finding(
          'UNKNOWN_ENDPOINTS',
          pod,
          `cds/${name}`,
          `no endpoints are called ${JSON.stringify(service)}`,
        ),
      );
  }
  return found;
}

const isRouteConfig = (object: JsonObject): boolean => Array.isArray(object.virtual_hosts);

/** The clusters that an object sends calls to, by the fields of routes, TCP proxies, mirrors and gRPC services. */
function clusterNames(field: string, object: JsonObject): string[] {
  const one = (name: string | undefined): string[] => (name === undefined ? [] : [name]);
  const weighted = objectsAt(objectAt(object, 'weighted_clusters') ?? {}, 'clusters').flatMap((each) =>
    one(textAt(each, 'name')),
  );
  switch (field) {
    case 'route':
    case 'request_mirror_policies':
    case 'http_uri':
      return [...one(textAt(object, 'cluster')), ...weighted];
    case 'envoy_grpc':
      return one(textAt(object, 'cluster_name'));
    case 'typed_config':
      return textAt(object, '@type')?.endsWith('.TcpProxy')
        ? [...one(textAt(object, 'cluster')), ...weighted]
        : [];
    default:
      return [];
  }
}
