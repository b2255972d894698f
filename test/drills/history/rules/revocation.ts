import type { RuleMaker } from './rule.ts';

/**
 * I1: after a revocation with wait FLEET is acknowledged, nothing of what it covers is accepted. What counts is
 * what *begins* after the acknowledgement; of an open stream, what the backend *gave* after it.
 */
export const revocationRule: RuleMaker = (world, report) => {
  const judge = (op: string, at: number, begun: number, session: string, what: string): void => {
    const end = world.endedFleetWide(session);
    if (end === undefined || begun < end.at) return;
    const after = (begun - end.at).toFixed(1);
    const message = `${what} of session ${session}, ${after} ms after its revocation was acknowledged`;
    report({ rule: 'accepted-after-revocation', ops: [op, end.op], at, message });
  };
  return {
    ended: ({ invoke, complete }) => {
      if (complete?.outcome !== 'ok') return;
      const { op } = invoke;
      if (invoke.kind === 'request' || invoke.kind === 'stream') {
        judge(op, complete.at, invoke.at, invoke.session, `a ${invoke.kind} was answered`);
      } else if (invoke.kind === 'login' && invoke.enrolment !== undefined) {
        const { enrolment } = invoke;
        for (const { invoke: revoke, ackedAt } of world.revocationsOfEnrolment(enrolment)) {
          if (ackedAt === undefined || revoke.wait !== 'FLEET' || invoke.at < ackedAt) continue;
          const message = `a session was opened with the enrolment ${enrolment} after its revocation`;
          report({
            rule: 'accepted-after-revocation',
            ops: [op, revoke.op],
            at: complete.at,
            message,
          });
        }
      }
    },
    effect: ({ op, at }, invoke) => {
      if (invoke?.kind === 'request') judge(op, at, invoke.at, invoke.session, 'a backend saw a request');
    },
    piece: ({ op, at, emittedAt }, invoke) => {
      if (invoke.kind === 'stream') judge(op, at, emittedAt, invoke.session, 'a piece of a stream arrived');
    },
    attached: ({ client, at, since, session }) => {
      const end = world.endedFleetWide(session);
      if (end === undefined || since < end.at) return;
      const message = `${client} attached session ${session} after its revocation was acknowledged`;
      report({ rule: 'accepted-after-revocation', ops: [end.op], at, message });
    },
  };
};
