import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Policy } from '#core/policy/policy.ts';
import { casesOfSessions, effectsOf } from './effects.ts';
import type { PolicyDeps } from './policy-service.ts';
import { readCases } from './recorded-cases.ts';

const maxSessions = 5000;
const maxDecisions = 20_000;

/** What a policy would change, in the words of ApplyPolicyResponse. */
export async function dryRun(deps: DryRunDeps, after: Policy) {
  const before = deps.policies.current.policy;
  const listed = await deps.list.list({ liveOnly: true, limit: maxSessions });
  // What the feed has ended is not marked in its row.
  const sessions = listed.filter((row) => !deps.feed.isRevoked({ ...row, id: `${row.handle}.` }));
  const now = await effectsOf(before, after, casesOfSessions([before, after], sessions, deps.clock.now()));
  // What was decided here a moment ago counts; what others decided, once they have written it.
  await deps.sample?.flush();
  const recorded = await effectsOf(
    before,
    after,
    readCases((query) => deps.db.read(query), maxDecisions),
  );
  return {
    effects: now.effects,
    sessions: sessions.length,
    recordedEffects: recorded.effects,
    decisions: recorded.looked,
    ...(recorded.sinceMs !== undefined && { decisionsSince: timestampFromMs(recorded.sinceMs) }),
  };
}

type DryRunDeps = Pick<PolicyDeps, 'db' | 'policies' | 'list' | 'feed' | 'clock' | 'sample'>;
