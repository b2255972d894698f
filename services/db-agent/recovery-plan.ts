import { difference, formatGtidSet, type GtidSet, includes, parseGtidSet, sizeOf } from './gtid.ts';
import { type AgentStatus, compareViews } from './status.ts';

/** A db pod of the group, and what its agent says, if it says anything. */
export interface NodeView {
  readonly pod: string;
  readonly status: AgentStatus | undefined;
}

/** What the group needs. */
export type RecoveryPlan =
  /** All are members; one is primary. */
  | { readonly is: 'up' }
  /** A majority lives: the others join by themselves, but for `strangers`, whose data the group does not have. */
  | { readonly is: 'living'; readonly strangers: readonly string[] }
  /** Nobody lives, and the agents agree by themselves who forms the group. */
  | { readonly is: 'settling' }
  /** Nobody lives, and it takes an operator's word. */
  | {
      readonly is: 'stuck';
      /** Pods whose agents are silent. */
      readonly missing: readonly string[];
      /** Every pod that answers is at rest and has applied its relay log, so that its data can be compared. */
      readonly comparable: boolean;
      /** The pod with the most, if they are comparable. */
      readonly best: string | undefined;
      /** Transactions that others which answer have, and `best` has not. */
      readonly leftBehind: readonly {
        readonly pod: string;
        readonly gtids: string;
        readonly count: number;
      }[];
      /** What may be lost with the pods that are missing. */
      readonly mayLose: string;
    };

/** Looks at all nodes of a group. Pure: who asks them, and who acts, is recovery.ts. */
export function recoveryPlan(nodes: readonly NodeView[], from?: string): RecoveryPlan {
  const present = nodes.flatMap(({ status }) => (status ? [status] : []));
  const silent = nodes.filter(({ status }) => status === undefined).map(({ pod }) => pod);
  // A replica that may have taken over is missing, too, when nobody lives.
  const words = [...new Set(present.flatMap(({ wordOf }) => wordOf))];
  const missing = [...silent, ...words];
  const living = present.filter((s) => s.state === 'ONLINE' && s.majority);
  if (living.length > 0) {
    if (living.length === nodes.length && living.some((s) => s.role === 'PRIMARY')) return { is: 'up' };
    return { is: 'living', strangers: present.filter(isStranger).map((s) => s.pod) };
  }
  const comparable = present.length > 0 && present.every(isAtRest);
  const sets = present.map((s) => ({ pod: s.pod, set: parseGtidSet(s.gtidExecuted) }));
  const whole = sets.some((one) => sets.every((other) => includes(one.set, other.set)));
  if (missing.length === 0 && (!comparable || whole)) return { is: 'settling' };
  const best = comparable ? bestOf(sets, from) : undefined;
  return {
    is: 'stuck',
    missing,
    comparable,
    best: best?.pod,
    leftBehind: best === undefined ? [] : leftBehind(best.set, sets),
    mayLose: [
      ...(silent.length > 0 || words.length === 0 ? [mayLose(nodes, present, silent)] : []),
      ...(words.length > 0 ? [`everything, if ${words.join(' or ')} has taken over: both would serve`] : []),
    ].join('; '),
  };
}

const isAtRest = (s: AgentStatus): boolean =>
  s.state === 'OFFLINE' &&
  s.phase === 'idle' &&
  includes(parseGtidSet(s.gtidExecuted), parseGtidSet(s.gtidReceived));

/** Its agent waits for an operator although the group lives (decide.ts). */
const isStranger = (s: AgentStatus): boolean =>
  s.state === 'OFFLINE' && (s.waitingFor?.startsWith('an operator:') ?? false);

interface Data {
  readonly pod: string;
  readonly set: GtidSet;
}

function bestOf(sets: readonly Data[], from: string | undefined): Data | undefined {
  if (from !== undefined) return sets.find(({ pod }) => pod === from);
  return [...sets].sort((a, b) => sizeOf(b.set) - sizeOf(a.set) || (a.pod < b.pod ? -1 : 1)).at(0);
}

const leftBehind = (kept: GtidSet, sets: readonly Data[]) =>
  sets
    .map(({ pod, set }) => ({ pod, extra: difference(set, kept) }))
    .filter(({ extra }) => extra.size > 0)
    .map(({ pod, extra }) => ({ pod, gtids: formatGtidSet(extra), count: sizeOf(extra) }));

/** Acknowledged is what the primary has committed; the others may have had it in memory only. */
function mayLose(
  nodes: readonly NodeView[],
  present: readonly AgentStatus[],
  missing: readonly string[],
): string {
  if (missing.length === 0) return 'nothing is missing';
  const [last] = present
    .flatMap((s) => (s.remembered ? [s.remembered] : []))
    .sort((a, b) => compareViews(b.view, a.view));
  const primary = last && present.find((s) => s.serverUuid === last.primary);
  const most = present.length > nodes.length / 2;
  if (primary !== undefined && most) {
    return `nothing that was acknowledged, as far as the nodes remember: ${primary.pod} was the primary, and is here`;
  }
  const who =
    most && last !== undefined ? `${missing.join(' or ')}, the last primary,` : missing.join(' and ');
  return `whatever ${who} had committed in its last moments and no other node has stored`;
}
