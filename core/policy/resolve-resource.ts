import type { RequestFacts } from './facts.ts';
import { requestHost } from './host.ts';
import { normalizePath, pathKey } from './path.ts';
import type { PathIndex, Policy, Resource } from './policy.ts';

/**
 * The one resource that governs a request: of its host (an exact one before a wildcard, the longer
 * wildcard before the shorter) the one with the longest path prefix, whatever its rules then say.
 * Undefined when there is none. Throws REQUEST_INVALID, see `normalizePath` and `canonicalHost`.
 */
export function resolveResource(
  policy: Policy,
  request: Pick<RequestFacts, 'authority' | 'path'>,
): Resource | undefined {
  const path = normalizePath(request.path);
  const index = policy.hosts.exact.get(request.authority) ?? findHost(policy, requestHost(request.authority));
  if (!index) return undefined;
  const key = pathKey(path);
  return longestPrefix(index, policy.ignorePathCase ? key.toLowerCase() : key);
}

function findHost({ hosts }: Policy, host: string): PathIndex | undefined {
  const exact = hosts.exact.get(host);
  if (exact || hosts.wildcard.size === 0) return exact;
  for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
    const found = hosts.wildcard.get(host.slice(dot + 1));
    if (found) return found;
  }
  return undefined;
}

/** Cuts `key` at its segments, from as many as the longest prefix has down to none. */
function longestPrefix({ byPrefix, depth }: PathIndex, key: string): Resource | undefined {
  let end = 0;
  for (let segments = 0; segments < depth && end < key.length; segments++) {
    const slash = key.indexOf('/', end + 1);
    end = slash < 0 ? key.length : slash;
  }
  for (; end > 0; end = key.lastIndexOf('/', end - 1)) {
    const found = byPrefix.get(key.slice(0, end));
    if (found) return found;
  }
  return byPrefix.get('');
}
