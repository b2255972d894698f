import { prefixKey } from './path.ts';
import type { HostIndex, PathIndex, Resource } from './policy.ts';

/**
 * Resources by host and prefix. A name of a resource stands for its first host without a wildcard, so that
 * a longer prefix of another resource governs there too; resources without such a host share the space of
 * their backend for the same reason.
 */
export function indexHosts(resources: readonly Resource[], ignoreCase: boolean): HostIndex {
  const spaces = new Map<string, PathSpace>();
  const wildcard = new Map<string, PathSpace>();
  const put = (map: Map<string, PathSpace>, key: string, resource: Resource) => {
    const space = map.get(key) ?? { byPrefix: new Map<string, Resource>(), depth: 0 };
    const prefix = prefixKey(resource.pathPrefix, ignoreCase);
    space.byPrefix.set(prefix, resource);
    space.depth = Math.max(space.depth, prefix.split('/').length - 1);
    map.set(key, space);
  };
  for (const resource of resources) {
    for (const host of resource.hosts) {
      if (host.startsWith('*.')) put(wildcard, host.slice(2), resource);
      else put(spaces, host, resource);
    }
    if (!spaceHost(resource)) put(spaces, backendSpace(resource), resource);
  }
  const exact = new Map<string, PathIndex>(spaces);
  for (const resource of resources) {
    const space = spaces.get(spaceHost(resource) ?? backendSpace(resource));
    if (space && !exact.has(resource.name)) exact.set(resource.name, space);
  }
  return Object.freeze({ exact, wildcard });
}

interface PathSpace {
  byPrefix: Map<string, Resource>;
  depth: number;
}

function spaceHost({ hosts }: Resource): string | undefined {
  return hosts.find((host) => !host.startsWith('*.'));
}

/** Has a space in it, so no authority equals it. */
function backendSpace({ backend }: Resource): string {
  return `backend ${backend}`;
}
