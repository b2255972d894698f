/** What the policy asks of an app as a whole: whatever it wants to reach, its sessions end when it is not that. */
import { sessionMiss, viewApp } from './conditions.ts';
import { describe } from './describe.ts';
import type { AppContext } from './facts.ts';
import { type GrantReason, isNearer } from './grant.ts';
import type { Policy } from './policy.ts';

/**
 * Why the policy takes no session from this app; undefined if it does, or says nothing about it. Of several
 * entries for the app's id one is enough; the nearest miss is told. Remembered with an app that cannot change.
 */
export function appRefusal(policy: Policy, app: AppContext | undefined): GrantReason | undefined {
  const entries = app && policy.requirements.get(app.appId);
  if (!app || !entries) return undefined;
  const known = policy.refusals.get(app);
  if (known !== undefined) return known === 'none' ? undefined : known;
  const view = viewApp(app);
  let refusal: GrantReason | undefined;
  for (const entry of entries) {
    const miss = sessionMiss(entry, view);
    if (!miss) {
      refusal = undefined;
      break;
    }
    if (!refusal || isNearer(miss, refusal)) refusal = miss;
  }
  if (Object.isFrozen(app) && Object.isFrozen(app.posture)) policy.refusals.set(app, refusal ?? 'none');
  return refusal;
}

/** One sentence for people. */
export const describeRefusal = (reason: GrantReason, app: AppContext): string =>
  describe(reason, {
    rule: undefined,
    resource: undefined,
    session: { authLevel: 0 },
    app,
    request: { method: '', authority: '', path: '' },
  });
