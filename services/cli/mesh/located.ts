import { socketPath } from '#compose/topology/paths.ts';
import { askAdmin } from '#envoy/admin/ask.ts';
import type { Figure } from '../report.ts';
import type { MeshFacts } from './mesh-of-state.ts';

/** Decisions since the pods were started, by how they were asked for (`leased`, `streamed`, …) and where they led. */
export type Located = Readonly<Record<string, number>>;

const series = /^sallyport_decision_located_total\{how="(\w+)",at="(\w+)"\} (\d+)$/gm;

/** Adds up the counts of several pods. Keys are `unary held`, `streamed not_held`, … */
export function addUp(texts: readonly string[]): Located {
  const sums: Record<string, number> = {};
  for (const text of texts) {
    for (const [, how, at, count] of text.matchAll(series)) {
      const key = `${how} ${at}`;
      sums[key] = (sums[key] ?? 0) + Number(count);
    }
  }
  return sums;
}

/** Asks all pods that decide; who does not answer counts nothing, and is named by its health. */
export async function locatedIn({ pods, state, stateDir }: MeshFacts): Promise<Located> {
  const asked = pods
    .filter(({ role }) => role === 'security' || role === 'proxy')
    .map(({ name }) => socketPath({ stateDir, runDir: state.runDir }, name, 'figures'));
  return addUp(await Promise.all(asked.map((socket) => askAdmin(socket, '/metrics').catch(() => ''))));
}

/** What sticky routing is for; a failover or a start takes it below its goal for a while. */
export const locatedGoal = '≥ 99.9 in steady state';

/** Undefined while nothing was decided. */
export function locatedFigure(located: Located): Figure | undefined {
  // An attachment may be made anywhere: it is a decision that is to find its session.
  const decisions = Object.entries(located).filter(([key]) => !key.startsWith('attach '));
  const all = decisions.reduce((sum, [, count]) => sum + count, 0);
  if (all === 0) return undefined;
  const held = decisions.reduce((sum, [key, count]) => sum + (key.endsWith(' held') ? count : 0), 0);
  const value = Math.round((100_000 * held) / all) / 1000;
  return { name: 'decisions at their session', value, unit: '%', goal: locatedGoal, ok: true };
}
