import type { Ended, Rule, RuleMaker } from './rule.ts';

interface Kept {
  readonly op: string;
  readonly user: string;
  readonly ackedAt: number;
  readonly expiresWall: number;
}

/**
 * I3: what was acknowledged is in every later inventory, unless something may have ended it: a revocation that
 * was invoked before the inventory completed, or its own expiry. What was certainly revoked is in none.
 */
export const durableRule: RuleMaker = (world, report) => {
  const keys = new Map<string, Kept>();
  const sessions = new Map<string, Kept>();

  const keep = ({ invoke, complete }: Ended): void => {
    if (complete?.outcome !== 'ok') return;
    const { op } = invoke;
    const common = {
      op,
      ackedAt: complete.at,
      expiresWall: complete.expiresWall ?? Number.POSITIVE_INFINITY,
    };
    if (invoke.kind === 'enroll' && complete.enrolment !== undefined) {
      keys.set(complete.enrolment, { ...common, user: invoke.user });
    } else if (invoke.kind === 'login' && complete.session !== undefined && complete.writtenBehind !== true) {
      sessions.set(complete.session, { ...common, user: invoke.user });
    }
  };

  const take = ({ invoke, complete }: Ended): void => {
    if (invoke.kind !== 'inventory' || complete?.outcome !== 'ok') return;
    const ids = new Set(complete.ids);
    const kept = invoke.of === 'keys' ? keys : sessions;
    const what = invoke.of === 'keys' ? 'enrolment' : 'session';
    const revocationsOf = (id: string) =>
      invoke.of === 'keys' ? world.revocationsOfEnrolment(id) : world.revocationsOfSession(id);
    for (const [id, { op, user, ackedAt, expiresWall }] of kept) {
      const concerned = invoke.user === undefined || invoke.user === user;
      if (!concerned || ids.has(id) || ackedAt > invoke.at || expiresWall <= complete.wall) continue;
      if (revocationsOf(id).length > 0) continue;
      const message = `the ${what} ${id} of ${user} was acknowledged, and is not there`;
      report({ rule: 'acknowledged-lost', ops: [op, invoke.op], at: complete.at, message });
      kept.delete(id);
    }
    for (const id of ids) {
      const gone =
        invoke.of === 'keys'
          ? world
              .revocationsOfEnrolment(id)
              .find(({ ackedAt }) => ackedAt !== undefined && ackedAt <= invoke.at)?.invoke
          : endedBefore(id, invoke.at);
      if (gone === undefined) continue;
      const message = `the ${what} ${id} was revoked, and is there again`;
      report({ rule: 'revocation-lost', ops: [gone.op, invoke.op], at: complete.at, message });
    }
  };
  const endedBefore = (session: string, at: number): { op: string } | undefined => {
    const end = world.endedFleetWide(session);
    return end !== undefined && end.at <= at ? end : undefined;
  };

  const rule: Rule = {
    ended: (operation) => {
      keep(operation);
      take(operation);
    },
  };
  return rule;
};
