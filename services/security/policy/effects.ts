import { diffPolicies, type RecordedCase } from '#core/policy/diff.ts';
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
}

/** What another policy would change for those who are logged in. */
export async function effectsOf(
  before: Policy,
  after: Policy,
  sessions: readonly SessionInfoRow[],
  nowMs: number,
): Promise<Effect[]> {
  const requests = requestsOf(before, after);
  const gain = new Map<string, Set<string>>();
  const lose = new Map<string, Set<string>>();
  const step = Math.max(1, Math.floor(maxCases / Math.max(1, requests.length)));
  for (let at = 0; at < sessions.length; at += step) {
    const cases = sessions
      .slice(at, at + step)
      .flatMap((session) => requests.map((request) => caseOf(session, request, nowMs)));
    for (const { resource, ...users } of diffPolicies(before, after, cases, { limit: 0 }).byResource) {
      for (const user of users.gain) add(gain, resource, user);
      for (const user of users.lose) add(lose, resource, user);
    }
    await new Promise(setImmediate);
  }
  const named = (users: Set<string> | undefined): string[] => [...(users ?? [])].sort().slice(0, maxUsers);
  return [...new Set([...gain.keys(), ...lose.keys()])]
    .sort()
    .map((resource) => ({ resource, gain: named(gain.get(resource)), lose: named(lose.get(resource)) }));
}

/** The plainest request for each resource that one of the two has. */
function requestsOf(...policies: readonly Policy[]): RecordedCase['request'][] {
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

function add(to: Map<string, Set<string>>, resource: string, user: string): void {
  const users = to.get(resource) ?? new Set();
  users.add(user);
  to.set(resource, users);
}
