import { isObject, type Json } from '../model/json.ts';
import type { RenderedPod } from './render.ts';

/**
 * The resource files that a sidecar subscribes to. Envoy opens one inotify instance for each, and no other as
 * long as no secret names a file. While a changed cluster warms up, its endpoints are subscribed to twice.
 */
export function watchedFiles({ bootstrap, xds }: RenderedPod): ReadonlySet<string> {
  const files = new Set<string>();
  const look = (value: Json): void => {
    if (typeof value !== 'object' || value === null) return;
    const source = isObject(value) ? value.path_config_source : undefined;
    if (isObject(source) && typeof source.path === 'string') files.add(source.path);
    for (const each of Object.values(value)) look(each);
  };
  look(bootstrap);
  for (const resources of Object.values(xds)) for (const { body } of resources) look(body);
  return files;
}
