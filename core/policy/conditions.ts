/**
 * The conditions of a rule, in the order in which they are tried: first who (by the index), then what
 * only the session decides, then what the request and the time decide. Each answers with the reason why
 * the rule does not match, or undefined. What is not known fails an allow rule and matches a deny rule.
 */
import type { AppContext, RequestFacts, SessionFacts } from './facts.ts';
import { type GrantReason, isNearer } from './grant.ts';
import { type Address, contains, parseAddress } from './network.ts';
import type { AppRange, ClaimTest, PlatformVersions, Rule } from './policy.ts';
import { compareVersions, parseVersion, type Version } from './version-compare.ts';

export type Miss = GrantReason | undefined;

/** An app context whose versions have been read, once for all rules. */
export interface AppView {
  readonly app: AppContext;
  readonly version: Version | undefined;
  readonly os: Version | undefined;
}

export function viewApp(app: AppContext | undefined): AppView | undefined {
  return app && { app, version: parseVersion(app.version), os: parseVersion(app.osVersion) };
}

/** Platform, app, operating system, posture: the answer lasts as long as the session. */
export function sessionMiss(rule: Rule, view: AppView | undefined): Miss {
  if (rule.platforms && !(view && rule.platforms.has(view.app.platform))) return 'PLATFORM';
  if (rule.apps) {
    const miss = view ? appMiss(rule.apps.get(view.app.appId), view, rule.deny) : 'APP_NOT_ALLOWED';
    if (miss) return miss;
  }
  const os = osMiss(rule, view);
  if (os) return os;
  for (const claim of rule.posture) if (!claimHolds(claim, view, rule.deny)) return 'POSTURE';
  return undefined;
}

/** A request whose address is read when a rule asks for it, once for all rules. */
export interface RequestView {
  readonly request: RequestFacts;
  readonly address: () => Address | undefined;
}

export function viewRequest(request: RequestFacts): RequestView {
  const { clientAddress } = request;
  let read: { readonly address: Address | undefined } | undefined;
  return {
    request,
    address: () => {
      read ??= { address: clientAddress === undefined ? undefined : parseAddress(clientAddress) };
      return read.address;
    },
  };
}

/** Method, network and site. */
export function requestMiss(rule: Rule, { request, address }: RequestView): Miss {
  if (rule.methods && !rule.methods.has(request.method)) return 'METHOD';
  if (rule.networks && !inNetworks(rule, address())) return 'NETWORK';
  if (rule.sites && !(request.site === undefined ? rule.deny : rule.sites.has(request.site))) return 'SITE';
  return undefined;
}

export function stepUpMiss(rule: Rule, session: SessionFacts): Miss {
  return rule.minAuthLevel === 0 || session.authLevel >= rule.minAuthLevel ? undefined : 'STEP_UP';
}

/** Of several entries for one app the nearest miss counts. */
function appMiss(ranges: readonly AppRange[] | undefined, view: AppView, deny: boolean): Miss {
  let nearest: GrantReason = 'APP_NOT_ALLOWED';
  for (const range of ranges ?? []) {
    const miss = rangeMiss(range, view, deny);
    if (!miss) return undefined;
    if (isNearer(miss, nearest)) nearest = miss;
  }
  return nearest;
}

function rangeMiss(range: AppRange, { app, version }: AppView, deny: boolean): Miss {
  const unknownDigest = app.certDigest === '' && deny;
  if (range.certDigests && !range.certDigests.has(app.certDigest) && !unknownDigest) return 'APP_CERTIFICATE';
  if (isBeyond(version, range.min, 'below', deny)) return 'APP_TOO_OLD';
  if (isBeyond(version, range.max, 'above', deny)) return 'APP_TOO_NEW';
  const isBlocked = (blocked: Version) => !version || compareVersions(version, blocked) === 0;
  return range.blocked.some(isBlocked) ? 'APP_BLOCKED' : undefined;
}

function osMiss(rule: Rule, view: AppView | undefined): Miss {
  const min = osBound(rule.minOs, view);
  const max = osBound(rule.maxOs, view);
  if (min === 'none' || max === 'none') return 'PLATFORM';
  if (isBeyond(view?.os, min, 'below', rule.deny)) return 'OS_TOO_OLD';
  return isBeyond(view?.os, max, 'above', rule.deny) ? 'OS_TOO_NEW' : undefined;
}

/** The bound for the session's platform; `none` when bounds are given for other platforms only. */
function osBound(
  versions: PlatformVersions | undefined,
  view: AppView | undefined,
): Version | 'none' | undefined {
  if (!versions || versions.every) return versions?.every;
  return (view && versions.byPlatform.get(view.app.platform)) ?? 'none';
}

function isBeyond(
  version: Version | undefined,
  bound: Version | undefined,
  side: 'below' | 'above',
  deny: boolean,
): boolean {
  if (!bound) return false;
  if (!version) return !deny;
  const order = compareVersions(version, bound);
  return side === 'below' ? order < 0 : order > 0;
}

function claimHolds({ name, test }: ClaimTest, view: AppView | undefined, deny: boolean): boolean {
  const claims = view?.app.posture;
  const value = claims && Object.hasOwn(claims, name) ? claims[name] : undefined;
  return (value === undefined ? undefined : test(value)) ?? deny;
}

function inNetworks({ networks = [], deny }: Rule, address: Address | undefined): boolean {
  if (!address) return deny;
  for (const network of networks) if (contains(network, address)) return true;
  return false;
}
