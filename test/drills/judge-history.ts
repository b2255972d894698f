import type { PartsOptions } from '#compose/parts/options.ts';
import { type CheckResult, checkHistory } from './history/check.ts';
import type { Finding, RuleName } from './history/finding.ts';

/** What the history of a drill says, as a row of the table has it. */
export interface Judgement {
  readonly lost: readonly string[];
  readonly wrong: readonly string[];
  /** It could not be judged. */
  readonly errors: readonly string[];
  /** Operations that were looked at. */
  readonly operations: number;
}

const lostRules: readonly RuleName[] = ['acknowledged-lost', 'revocation-lost'];
const notJudged: readonly RuleName[] = ['undecided', 'malformed-history'];

/** Checks the files that a load has recorded of one drill. @throws HistoryError, PartsError when it cannot be checked */
export async function judgeHistory(files: readonly string[], parts: PartsOptions): Promise<Judgement> {
  const result = await checkHistory(files, { linearizable: { parts } });
  return judgementOf(result);
}

export function judgementOf({ findings, counts }: Pick<CheckResult, 'findings' | 'counts'>): Judgement {
  const told = (fits: (rule: RuleName) => boolean): string[] =>
    findings.filter(({ rule }) => fits(rule)).map(textOf);
  return {
    lost: told((rule) => lostRules.includes(rule)),
    wrong: told((rule) => !lostRules.includes(rule) && !notJudged.includes(rule)),
    errors: told((rule) => notJudged.includes(rule)),
    operations: Object.values(counts).reduce((sum, { invoked }) => sum + invoked, 0),
  };
}

const textOf = ({ rule, ops, message }: Finding): string => `${rule} (${ops.join(', ')}): ${message}`;
