import type { Silence } from '../schema.ts';
import type { RuleMaker } from './rule.ts';

/** Clocks of backend and signer may differ by as much: what `verifyAssertion` allows. */
const assertionLeewayMs = 5000;

/**
 * I4, as far as it shows outside of a proxy: nothing is relayed where the drill knows that no lease lives, and
 * no backend is shown an assertion that has ended.
 */
export const leaseRule: RuleMaker = (_world, report) => {
  const silences: Silence[] = [];
  /** By what lies within these times, whole. */
  const broken = (from: number, to: number, proxy: string | undefined, session: string | undefined) =>
    silences.find(
      (silence) =>
        from >= silence.from &&
        to < (silence.until ?? Number.POSITIVE_INFINITY) &&
        (silence.proxy === undefined || silence.proxy === proxy) &&
        (silence.session === undefined || silence.session === session),
    );
  return {
    silence: (silence) => {
      silences.push(silence);
    },
    effect: ({ op, at, wall, proxy, assertionUntilWall }, invoke) => {
      const session = invoke?.kind === 'request' ? invoke.session : undefined;
      const silence = broken(at, at, proxy, session);
      if (silence !== undefined) {
        const message = `a backend saw a request from ${proxy ?? 'some proxy'}; ${silence.why}`;
        report({ rule: 'relayed-without-lease', ops: [op], at, message });
      }
      if (assertionUntilWall !== undefined && wall > assertionUntilWall + assertionLeewayMs) {
        const message = `a backend was shown an assertion ${(wall - assertionUntilWall).toFixed(0)} ms after its end`;
        report({ rule: 'relayed-without-lease', ops: [op], at, message });
      }
    },
    ended: ({ invoke, complete }) => {
      if (invoke.kind !== 'request' || complete?.outcome !== 'ok') return;
      // What began within it may have been held to its end.
      const silence = broken(invoke.at, complete.at, complete.proxy, invoke.session);
      if (silence === undefined) return;
      const message = `a request was answered by ${complete.proxy ?? 'some proxy'}; ${silence.why}`;
      report({ rule: 'relayed-without-lease', ops: [invoke.op], at: complete.at, message });
    },
  };
};
