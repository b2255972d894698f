import { difference, formatGtidSet, includes, isEmpty, parseGtidSet } from './gtid.ts';
import type { AgentStatus } from './status.ts';

/** Another pod of the group: what its agent last said, if it says anything. */
export interface PeerView {
  readonly pod: string;
  readonly status: AgentStatus | undefined;
  /** When it was asked, on the monotonic scale. */
  readonly asked?: number;
}

export interface Situation {
  readonly self: AgentStatus;
  readonly peers: readonly PeerView[];
  /** Replicas at another site, of which one may have taken over. */
  readonly witnesses?: readonly PeerView[];
  /** An operator, or the configuration of an empty node, takes it on himself that nobody else has the group. */
  readonly force: boolean;
}

/** What the agent should do next about the group. */
export type Step =
  | { readonly do: 'nothing' }
  /** Serve again: offline_mode is still on from an earlier exit. */
  | { readonly do: 'open' }
  /** End what is left of a membership that failed, or one that only holds the others up. */
  | { readonly do: 'leave' }
  /** Apply what the relay log still holds, so that GTID sets can be compared. */
  | { readonly do: 'apply' }
  | { readonly do: 'join' }
  | { readonly do: 'bootstrap' }
  | { readonly do: 'wait'; readonly for: string };

/** Milliseconds after which a new primary has dealt with what waited for one. */
const settledMs = 3000;

/**
 * Joins wherever a majority lives: if that can do without it, once its primary has dealt with what waited for one, since a
 * member that joins holds up each commit by 0.65 s. If nobody lives, the group may be formed by one node only, chosen alike
 * by everybody: when every configured pod is reachable and at rest, the one whose data includes all the
 * others' (an empty disk has the empty set, so a group's first start needs no rule of its own), the lowest
 * name among equals. Acknowledged transactions are on a majority, so with all pods present none is lost.
 * Who has been superseded by a promotion leaves and stays away; and nobody forms the group out of data without having heard
 * of every replica that it has not taken over.
 * One that has no room on its disk holds the others up, and whoever reads from it: it stays away until it has.
 */
export function decide({ self, peers, witnesses = [], force }: Situation): Step {
  switch (self.state) {
    case 'RECOVERING':
    case 'UNREACHABLE':
    case 'ONLINE':
      if (self.superseded) return { do: 'leave' };
      if (self.state !== 'ONLINE') return { do: 'nothing' };
      if (self.full && othersHoldIt(self, peers)) return { do: 'leave' };
      return self.offlineMode && self.majority ? { do: 'open' } : { do: 'nothing' };
    case 'DOWN':
      return { do: 'nothing' };
    case 'ERROR':
      return { do: 'leave' };
    case 'OFFLINE':
      break;
  }
  if (self.superseded) return { do: 'wait', for: supersededHint(self) };
  if (self.full) return { do: 'wait', for: 'room on its disk' };
  const living = peers.filter((p) => p.status?.state === 'ONLINE' && p.status.majority);
  if (living.length > 0) {
    const remembering = living.find((p) => p.status?.members.some((m) => m.id === self.serverUuid));
    if (remembering) return { do: 'wait', for: `${remembering.pod} to drop this pod's earlier membership` };
    const extra = unknownTo(living, self);
    if (extra !== '') return { do: 'wait', for: strangerHint(self.pod, extra) };
    if (!self.fresh && canDoWithout(living, peers) && !hasSettled(living))
      return { do: 'wait', for: 'the group to have a primary that has caught up' };
    return { do: 'join' };
  }
  if (!isApplied(self)) return { do: 'apply' };
  if (force) return { do: 'bootstrap' };
  const silent = self.fresh ? [] : silentOf(witnesses);
  if (silent.length > 0)
    return { do: 'wait', for: `the word of ${silent.join(', ')} that it has not taken over` };
  return whoBootstraps(self, peers);
}

export const silentOf = (views: readonly PeerView[]): string[] =>
  views.filter((each) => !each.status).map(({ pod }) => pod);

function supersededHint({ promotions }: AgentStatus): string {
  const by = promotions.at(-1);
  return `an operator: ${by?.pod} has taken over in another era, at ${new Date(by?.atMs ?? 0).toISOString()}; \`sallyport site rejoin\` makes this site its slave`;
}

/** Whether the group keeps a majority, of members with room on their disks, when this node leaves it. */
function othersHoldIt(self: AgentStatus, peers: readonly PeerView[]): boolean {
  const others = peers.filter(
    ({ status: s }) =>
      s !== undefined && s.state === 'ONLINE' && s.majority && !s.full && s.view === self.view,
  );
  return others.length * 2 > peers.length + 1;
}

const canDoWithout = (living: readonly PeerView[], peers: readonly PeerView[]): boolean =>
  living.length * 2 > peers.length + 1;

const hasSettled = (living: readonly PeerView[]): boolean =>
  living.some(({ status: s }) => s?.writable && (s.writableForMs ?? settledMs) >= settledMs);

function whoBootstraps(self: AgentStatus, peers: readonly PeerView[]): Step {
  const silent = silentOf(peers);
  if (silent.length > 0) return { do: 'wait', for: `an answer from the agent of ${silent.join(', ')}` };
  const present = peers.flatMap((p) => (p.status ? [p.status] : []));
  const busy = present.filter((s) => s.state !== 'OFFLINE' || s.phase !== 'idle' || !isApplied(s));
  if (busy.length > 0) {
    return { do: 'wait', for: busy.map((s) => `${s.pod} (${s.phase}, ${s.state})`).join(', ') };
  }
  const all = [self, ...present].map((s) => ({ pod: s.pod, set: parseGtidSet(s.gtidExecuted) }));
  const [chosen] = all
    .filter((one) => all.every((other) => includes(one.set, other.set)))
    .map((one) => one.pod)
    .sort();
  if (chosen === undefined) {
    return {
      do: 'wait',
      for: 'an operator: the pods hold different transactions, and none holds all of them',
    };
  }
  return chosen === self.pod ? { do: 'bootstrap' } : { do: 'wait', for: `${chosen} to form the group` };
}

/**
 * Transactions of this pod that no living member has: the group was formed without it, and it cannot join any more.
 * (Members that are only behind catch up, and are looked at again.)
 */
function unknownTo(living: readonly PeerView[], self: AgentStatus): string {
  const groups = living.map(({ status }) => parseGtidSet(status?.gtidExecuted ?? ''));
  const left = [self.gtidExecuted, self.gtidReceived].map((text) => {
    const mine = parseGtidSet(text);
    const [least] = groups
      .map((theirs) => difference(mine, theirs))
      .sort((a, b) => formatGtidSet(a).length - formatGtidSet(b).length);
    return least ?? mine;
  });
  return formatGtidSet(left.find((set) => !isEmpty(set)) ?? new Map());
}

const strangerHint = (pod: string, extra: string): string =>
  `an operator: the group does not have ${extra}, which this pod has; \`sallyport db rebuild ${pod}\` puts its data aside and copies the group's`;

function isApplied(status: AgentStatus): boolean {
  return includes(parseGtidSet(status.gtidExecuted), parseGtidSet(status.gtidReceived));
}
