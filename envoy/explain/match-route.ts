import { matchesText } from '../check/identities.ts';
import { objectAt, objectsAt, textAt } from '../check/walk.ts';
import type { JsonObject } from '../model/json.ts';

/** What routes and RBAC look at. Header names in lower case. */
export interface Asked {
  readonly method: string;
  /** With the query, if there is one. */
  readonly path: string;
  readonly authority: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface MatchedRoute {
  readonly virtualHost: string;
  /** Position of the route in its virtual host, from 0. */
  readonly index: number;
  readonly route: JsonObject;
}

/** Envoy's choice: the virtual host of the most exact domain, and the first of its routes that matches. */
export function matchRoute(config: JsonObject, asked: Asked): MatchedRoute | undefined {
  const host = virtualHost(objectsAt(config, 'virtual_hosts'), asked.authority);
  if (host === undefined) return undefined;
  const routes = objectsAt(host, 'routes');
  const index = routes.findIndex((route) => matches(objectAt(route, 'match') ?? {}, asked));
  const route = routes[index];
  return route === undefined ? undefined : { virtualHost: textAt(host, 'name') ?? '', index, route };
}

/** Exact before `*.suffix` before `prefix.*` before `*`, the longer before the shorter; ports count. */
function virtualHost(hosts: readonly JsonObject[], authority: string): JsonObject | undefined {
  const name = authority.toLowerCase();
  const rated = hosts.flatMap((host) =>
    (Array.isArray(host.domains) ? host.domains : []).map((each) => {
      const domain = String(each).toLowerCase();
      return { host, rank: rank(domain, name), length: domain.length };
    }),
  );
  return rated.filter((each) => each.rank > 0).sort((a, b) => b.rank - a.rank || b.length - a.length)[0]
    ?.host;
}

function rank(domain: string, name: string): number {
  if (domain === name) return 4;
  if (domain === '*') return 1;
  if (domain.startsWith('*') && name.endsWith(domain.slice(1))) return 3;
  return domain.endsWith('*') && name.startsWith(domain.slice(0, -1)) ? 2 : 0;
}

function matches(match: JsonObject, { method, path, authority, headers }: Asked): boolean {
  const [bare = ''] = path.split('?');
  const { prefix, path: exact, path_separated_prefix: separated } = match;
  const regex = textAt(objectAt(match, 'safe_regex'), 'regex');
  const fits =
    (typeof prefix === 'string' && path.startsWith(prefix)) ||
    (typeof exact === 'string' && bare === exact) ||
    (typeof separated === 'string' && (bare === separated || bare.startsWith(`${separated}/`))) ||
    (regex !== undefined && new RegExp(`^(?:${regex})$`).test(bare));
  const all = { ...headers, ':method': method, ':authority': authority, ':path': path };
  return fits && objectsAt(match, 'headers').every((each) => matchesHeader(each, all));
}

/** Envoy's HeaderMatcher, as far as this mesh and its patches use it. */
export function matchesHeader(matcher: JsonObject, headers: Readonly<Record<string, string>>): boolean {
  const value = headers[(textAt(matcher, 'name') ?? '').toLowerCase()];
  const text = objectAt(matcher, 'string_match');
  const fits =
    text === undefined
      ? (value !== undefined) === (matcher.present_match !== false)
      : value !== undefined && matchesText(text, value);
  return matcher.invert_match === true ? !fits : fits;
}
