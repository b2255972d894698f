import { SallyportError } from '#core/errors/error.ts';
import type { Resource } from '#core/policy/policy.ts';

export interface Site {
  readonly name: string;
  readonly edgeUrls: readonly string[];
  /** Clusters of backends that have pods there. */
  readonly backends: readonly string[];
  /** Groups of gateways that are reached from there only. */
  readonly gatewayGroups: readonly string[];
}

/** Refuses what is not reached from here. @throws SITE_ELSEWHERE naming the site, and its edges */
export type AssertHere = (resource: Pick<Resource, 'name' | 'site' | 'backend' | 'gatewayGroup'>) => void;

/**
 * A proxy reaches backends of its own site, so that no request crosses the line between the two. A resource may name
 * its site; one that does not is reached wherever its backend, or its group of gateways, is.
 * @param own name of this proxy's site
 * @param sites both, or none where there is only one
 */
export function siteGuard(own: string, sites: readonly Site[]): AssertHere {
  return ({ name, site, backend, gatewayGroup }) => {
    const home =
      site ??
      (gatewayGroup === undefined
        ? siteOf(own, sites, backend)
        : (sites.find((each) => each.gatewayGroups.includes(gatewayGroup))?.name ?? own));
    if (home === own) return;
    const urls = sites.find((each) => each.name === home)?.edgeUrls ?? [];
    throw new SallyportError('SITE_ELSEWHERE', {
      message: `"${name}" is reached from site "${home}", and this proxy stands at "${own}"`,
      hint: `open a session with the profile user@${home}; its edges: ${urls.join(' ') || 'none'}`,
    });
  };
}

/** Where the backend is: here, if it is here too, or if nobody has it. */
function siteOf(own: string, sites: readonly Site[], backend: string): string {
  const having = sites.filter((site) => site.backends.includes(backend)).map((site) => site.name);
  return having.includes(own) ? own : (having[0] ?? own);
}
