import { diffPolicies, type RecordedCase } from '#core/policy/diff.ts';
import type { RequestFacts } from '#core/policy/facts.ts';
import type { Policy } from '#core/policy/policy.ts';
import type { SessionInfoRow } from '../session/session-info.ts';

/** Users of one resource that are named. */
const maxUsers = 1000;
/** Decisions in one go: a dry run must not keep the pod from deciding for real. */
const maxCases = 20_000;

export interface Effect {
  readonly resource: string;
  readonly gain: string[];
  readonly lose: string[];
  /** `GET intranet.example/payroll` */
  readonly example: string;
}

export interface Effects {
  readonly effects: Effect[];
  /** Cases that were looked at. */
  readonly looked: number;
  /** The oldest of them, Unix milliseconds; undefined if there is none. */
  readonly sinceMs: number | undefined;
}

/** What another policy would change about these, which come in batches. */
export async function effectsOf(
  before: Policy,
  after: Policy,
  batches: Iterable<readonly RecordedCase[]> | AsyncIterable<readonly RecordedCase[]>,
): Promise<Effects> {
  const byResource = new Map<string, { gain: Set<string>; lose: Set<string>; example: RequestFacts }>();
  let looked = 0;
  let sinceMs: number | undefined;
  for await (const cases of batches) {
    for (const each of diffPolicies(before, after, cases, { limit: 0 }).byResource) {
      const { resource, example } = each;
      const known = byResource.get(resource) ?? { gain: new Set(), lose: new Set(), example };
      for (const user of each.gain) known.gain.add(user);
      for (const user of each.lose) known.lose.add(user);
      byResource.set(resource, known);
    }
    looked += cases.length;
    for (const { at } of cases) sinceMs = Math.min(sinceMs ?? at, at);
    await new Promise(setImmediate);
  }
  const named = (users: Set<string>): string[] => [...users].sort().slice(0, maxUsers);
  const effects = [...byResource.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([
        resource,
        {
          gain,
          lose,
          example: { method, authority, path },
        },
      ]) => ({
        resource,
        gain: named(gain),
        lose: named(lose),
        example: `${method} ${authority}${path}`,
      }),
    );
  return { effects, looked, sinceMs };
}

/** What those who are logged in would ask now: of each resource the plainest request. */
export function* casesOfSessions(
  policies: readonly Policy[],
  sessions: readonly SessionInfoRow[],
  nowMs: number,
): Generator<readonly RecordedCase[]> {
  const requests = requestsOf(policies);
  const step = Math.max(1, Math.floor(maxCases / Math.max(1, requests.length)));
  for (let at = 0; at < sessions.length; at += step) {
    yield sessions
      .slice(at, at + step)
      .flatMap((session) => requests.map((request) => caseOf(session, request, nowMs)));
  }
}

/** The plainest request for each resource that one of them has. */
function requestsOf(policies: readonly Policy[]): RecordedCase['request'][] {
  const all = new Map<string, RecordedCase['request']>();
  for (const { resources } of policies) {
    for (const { name, methods, pathPrefix } of resources) {
      const method = methods === undefined || methods.has('GET') ? 'GET' : ([...methods][0] ?? 'GET');
      all.set(`${name} ${method} ${pathPrefix}`, { method, authority: name, path: pathPrefix });
    }
  }
  return [...all.values()];
}

function caseOf(session: SessionInfoRow, request: RecordedCase['request'], at: number): RecordedCase {
  const { user, groups, deviceId, expiresAtMs, appId, appVersion, platform } = session;
  const app = { platform, appId, version: appVersion, certDigest: '', osVersion: '', posture: {} };
  return {
    session: {
      user,
      groups,
      deviceId,
      expiresAt: expiresAtMs,
      authLevel: 1,
      ...(appId !== '' && { app }),
    },
    request,
    at,
  };
}
