import type { Pod } from '#compose/topology/types.ts';
import { routeHeader } from '../model/headers.ts';
import { extension, type JsonObject } from '../model/json.ts';
import type { BuildContext } from './context.ts';

/**
 * Stickiness is Maglev on the route key, measured against subset, ring hash, stateful-session and
 * override-host routing: no failed call when an owner is killed, hardly a needless move on scaling, no state.
 * A call without a route key goes to any pod.
 */
export const byRouteKey: JsonObject = {
  hash_policy: [{ header: { header_name: routeHeader }, terminal: true }],
};

/** The cluster's side of it. */
export const maglev = ({ model }: BuildContext): JsonObject => ({
  load_balancing_policy: {
    policies: [
      {
        typed_extension_config: extension(
          'envoy.load_balancing_policies.maglev',
          'envoy.extensions.load_balancing_policies.maglev.v3.Maglev',
          { table_size: model.sticky.maglev_table_size },
        ),
      },
    ],
  },
});

/** The endpoint's side: hashed by the pod's name, so that a new address moves no key. */
export const hashedAs = (pod: Pod): JsonObject => ({
  metadata: { filter_metadata: { 'envoy.lb': { hash_key: pod.name } } },
});
