import { prefixKey } from './path.ts';
import type { HostIndex, Resource } from './policy.ts';

/**
 * Resources by host and prefix. A name of a resource stands for its first host without a wildcard, so that
 * a longer prefix of another resource governs there too; resources without such a host share the space of
 * their backend for the same reason.
 */
export function indexHosts(resources: readonly Resource[], ignoreCase: boolean): HostIndex {
  const exact = new Map<string, PathSpace>();
  const wildcard = new Map<string, PathSpace>();
  const backends = new Map<string, PathSpace>();
  const put = (map: Map<string, PathSpace>, key: string, resource: Resource) => {
    const space = map.get(key) ?? { byPrefix: new Map<string, Resource>(), depth: 0 };
    const prefix = prefixKey(resource.pathPrefix, ignoreCase);
    space.byPrefix.set(prefix, resource);
    space.depth = Math.max(space.depth, prefix.split('/').length - 1);
    map.set(key, space);
  };
  for (const resource of resources) {
    for (const host of resource.hosts) {
      if (isWildcard(host)) put(wildcard, host.slice(2), resource);
      else put(exact, host, resource);
    }
    if (resource.hosts.every(isWildcard)) put(backends, resource.backend, resource);
  }
  for (const { name, hosts, backend } of resources) {
    const host = hosts.find((one) => !isWildcard(one));
    const space = host === undefined ? backends.get(backend) : exact.get(host);
    // A host of that name is that of the resource itself: `findContradictions` refuses another one.
    if (space && !exact.has(name)) exact.set(name, space);
  }
  return Object.freeze({ exact, wildcard });
}

interface PathSpace {
  byPrefix: Map<string, Resource>;
  depth: number;
}

function isWildcard(host: string): boolean {
  return host.startsWith('*.');
}
