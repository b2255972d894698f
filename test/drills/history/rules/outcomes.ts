import type { InvokeOf } from '../schema.ts';
import type { RuleMaker } from './rule.ts';

/** Requests get their own answer; everything ends; UNKNOWN_OUTCOME only for what was in flight at a fault. */
export const outcomeRule: RuleMaker = (_world, report) => {
  const faults: { readonly invoke: InvokeOf<'fault'>; until: number }[] = [];
  return {
    invoked: (invoke) => {
      if (invoke.kind === 'fault') faults.push({ invoke, until: Number.POSITIVE_INFINITY });
    },
    ended: ({ invoke, complete }) => {
      if (invoke.kind === 'fault') {
        const fault = faults.find((one) => one.invoke === invoke);
        if (fault !== undefined && complete !== undefined) fault.until = complete.at;
        return;
      }
      if (complete === undefined) {
        const message = `${invoke.kind} of ${invoke.client} has neither succeeded nor failed`;
        report({ rule: 'never-ended', ops: [invoke.op], at: invoke.at, message });
        return;
      }
      const { op } = invoke;
      if (invoke.kind === 'request' && complete.outcome === 'ok' && invoke.expects !== undefined) {
        if (complete.answer !== invoke.expects) {
          const message = `${invoke.method} ${invoke.path} was answered ${complete.answer}, not ${invoke.expects}`;
          report({ rule: 'wrong-answer', ops: [op], at: complete.at, message });
        }
      }
      if (complete.outcome !== 'unknown') return;
      if (invoke.kind !== 'request' || invoke.repeatable) {
        const message = `${invoke.kind === 'request' ? invoke.method : invoke.kind} is repeatable, and ended as UNKNOWN_OUTCOME`;
        report({ rule: 'unknown-without-cause', ops: [op], at: complete.at, message });
      } else if (!faults.some(({ invoke: { at }, until }) => invoke.at <= until && complete.at >= at)) {
        const message = `${invoke.method} ${invoke.path} ended as UNKNOWN_OUTCOME (${complete.reason ?? 'for no reason told'}), and was in flight at no fault`;
        report({ rule: 'unknown-without-cause', ops: [op], at: complete.at, message });
      }
    },
  };
};
