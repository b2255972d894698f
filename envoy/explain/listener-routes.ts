import type { ConfigDump } from '../admin/config-dump.ts';
import { objectAt, objectsIn, textAt } from '../check/walk.ts';
import type { JsonObject } from '../model/json.ts';

/** The HTTP filters of a listener, in the order in which a request meets them. */
export const httpFiltersOf = (listener: JsonObject): string[] =>
  [...objectsIn(listener)].flatMap(({ field, object }) =>
    field === 'http_filters' ? [(textAt(object, 'name') ?? '').replace('envoy.filters.http.', '')] : [],
  );

/** The route configuration that a listener uses, from it or from its own file; undefined for plain TCP. */
export function routesOf(dump: ConfigDump, listener: JsonObject): JsonObject | undefined {
  for (const { field, object } of objectsIn(listener)) {
    if (field === 'route_config') return object;
    if (field === 'rds')
      return dump.routes.find(({ name }) => name === textAt(object, 'route_config_name'))?.body;
  }
  return undefined;
}

/** The Maglev table's size of a cluster; undefined if it does not hash. */
export function maglevSizeOf(cluster: JsonObject): number | undefined {
  for (const { object } of objectsIn(objectAt(cluster, 'load_balancing_policy') ?? {}))
    if (textAt(object, '@type')?.endsWith('.Maglev')) return Number(object.table_size ?? 65537);
  return undefined;
}

/** Whether a route hashes by a header, and by which. */
export const hashedHeader = (route: JsonObject): string | undefined => {
  for (const { field, object } of objectsIn(route))
    if (field === 'hash_policy') return textAt(objectAt(object, 'header'), 'header_name');
  return undefined;
};
