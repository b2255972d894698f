import type { InvokeOf } from '../schema.ts';
import type { RuleMaker } from './rule.ts';

interface Done {
  readonly op: string;
  executed: number;
  value: string | undefined;
}

/**
 * Nothing unrepeatable, and nothing with an Idempotency-Key, is executed twice; repetitions have one effect;
 * what was acknowledged has been executed; and nobody executes what nobody asked for.
 */
export const executionRule: RuleMaker = (_world, report) => {
  const done = new Map<string, Done>();
  const unitOf = ({ op, idempotencyKey }: InvokeOf<'request'>): string =>
    idempotencyKey === undefined ? `op ${op}` : `key ${idempotencyKey}`;
  return {
    effect: ({ op, at, executed, value, backend }, invoke) => {
      if (invoke?.kind !== 'request') {
        const message = `${backend} saw a request that nobody made`;
        report({ rule: 'effect-from-nowhere', ops: [op], at, message });
        return;
      }
      // A GET may be sent again as often as need be.
      if (invoke.repeatable && invoke.idempotencyKey === undefined && invoke.executes !== true) return;
      const unit = unitOf(invoke);
      const before = done.get(unit);
      const now = before ?? { op, executed: 0, value };
      done.set(unit, now);
      now.executed += executed ? 1 : 0;
      const once = !invoke.repeatable || invoke.idempotencyKey !== undefined;
      if (once && executed && now.executed > 1) {
        const message = `${invoke.method} ${invoke.path} was executed ${now.executed} times`;
        report({ rule: 'executed-twice', ops: [op, now.op], at, message });
      }
      if (before !== undefined && before.value !== value) {
        const message = `${invoke.method} ${invoke.path} had the effect ${before.value}, and then ${value}`;
        report({ rule: 'different-effects', ops: [op, now.op], at, message });
      }
    },
    ended: ({ invoke, complete }) => {
      if (invoke.kind !== 'request' || invoke.executes !== true || complete === undefined) return;
      const executed = done.get(unitOf(invoke))?.executed ?? 0;
      if (complete.outcome === 'ok' && executed === 0) {
        const message = `${invoke.method} ${invoke.path} was acknowledged, and no backend has done it`;
        report({ rule: 'acknowledged-lost', ops: [invoke.op], at: complete.at, message });
      }
      if (complete.outcome === 'refused' && executed > 0) {
        const message = `${invoke.method} ${invoke.path} was refused (${complete.reason}), and done all the same`;
        report({ rule: 'wrong-answer', ops: [invoke.op], at: complete.at, message });
      }
    },
  };
};
