import { type XdsType, xdsDir, xdsFile } from '#compose/topology/paths.ts';
import type { JsonObject } from '../model/json.ts';
import type { BuildContext } from './context.ts';

/**
 * Where Envoy reads a resource: a file in a directory it watches, as files are replaced by renaming. Each
 * costs an inotify instance, of which a user has 128 by default (watched-files.ts, docs/adr/0001).
 */
export const fileSource = (
  { topology, pod }: BuildContext,
  type: XdsType,
  resource?: string,
): JsonObject => ({
  resource_api_version: 'V3',
  path_config_source: {
    path: xdsFile(topology, pod.name, type, resource),
    watched_directory: { path: xdsDir(topology, pod.name, type) },
  },
});
