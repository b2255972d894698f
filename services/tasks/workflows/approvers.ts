import type { Ask } from '../engine/definition.ts';

const dayMs = 86_400_000;

/** Whom a workflow asks: people with a role or a higher one, for two weeks; who reserves it loses it after three days. */
export const approvers = (role: string): Pick<Ask, 'to' | 'escalate' | 'withinMs'> => ({
  to: { roles: [role] },
  escalate: { afterMs: 3 * dayMs, to: { roles: [role] } },
  withinMs: 14 * dayMs,
});
