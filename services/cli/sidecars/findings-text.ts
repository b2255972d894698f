import { type Finding, type Severity, worstFirst } from '#envoy/check/finding.ts';
import type { Figure, Report } from '../report.ts';

const marks: Readonly<Record<Severity, string>> = { error: '✗', warning: '!', info: '·' };

interface Shown extends Omit<Finding, 'pod'> {
  readonly pods: readonly string[];
}

/** Tells people of findings, the worst first; what is the same in several pods once. */
export function showFindings(report: Pick<Report, 'say'>, findings: readonly Finding[]): void {
  for (const { code, severity, pods, where, message, hint, patches = [] } of together(findings)) {
    const place = [pods.join(', '), where].filter((part) => part !== '').join(' ');
    report.say(`${marks[severity]} ${code} ${place}: ${message}`);
    if (patches.length > 0) report.say(`    patched by ${patches.join(', ')}`);
    report.say(`    hint: ${hint}`);
  }
}

function together(findings: readonly Finding[]): Shown[] {
  const shown = new Map<string, Shown>();
  for (const { pod, ...rest } of worstFirst(findings)) {
    const key = JSON.stringify(rest);
    const before = shown.get(key)?.pods ?? [];
    shown.set(key, { ...rest, pods: pod === '' ? before : [...before, pod] });
  }
  return [...shown.values()];
}

/** How many there are of each severity; errors are to be none, and warnings too when they count. */
export function findingFigures(findings: readonly Finding[], strict: boolean): Figure[] {
  const count = (severity: Severity): number => findings.filter((each) => each.severity === severity).length;
  const none = (name: string, value: number, wanted: boolean): Figure => ({
    name,
    value,
    unit: 'findings',
    goal: wanted ? '0' : '',
    ok: !wanted || value === 0,
  });
  return [
    none('errors', count('error'), true),
    none('warnings', count('warning'), strict),
    none('notes', count('info'), false),
  ];
}
