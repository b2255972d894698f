import type { PeerView } from '../decide.ts';
import { type AgentStatus, compareViews } from '../status.ts';

/** The channel by which a replica follows, as mysqld describes it. */
export interface ChannelState {
  /** `address:port` of the node that it follows. */
  readonly source: string;
  /** MySQL's SERVICE_STATE of the two threads. */
  readonly receiving: 'ON' | 'OFF' | 'CONNECTING';
  readonly applying: 'ON' | 'OFF';
  /** MySQL's number and words of what stopped the one or the other; 0 and empty if nothing did. */
  readonly receiveError: { readonly number: number; readonly text: string };
  readonly applyError: { readonly number: number; readonly text: string };
}

/** A node of the group that can be followed. */
export interface Source {
  readonly pod: string;
  readonly address: string;
  readonly groupPort: number;
}

export interface ReplicaSituation {
  readonly pod: string;
  /** Nothing was ever stored here. */
  readonly fresh: boolean;
  /** Undefined: it was never told to follow anybody. */
  readonly channel: ChannelState | undefined;
  readonly sources: readonly Source[];
  readonly peers: readonly PeerView[];
}

export type ReplicaStep =
  | { readonly do: 'nothing' }
  /** Become a copy of that node. */
  | { readonly do: 'copy'; readonly from: Source }
  | { readonly do: 'follow'; readonly source: Source }
  /** The data are put aside, and a copy is made: what is missing here nobody has in a log any more. */
  | { readonly do: 'start-over'; readonly why: string }
  | { readonly do: 'wait'; readonly for: string };

/**
 * ER_SOURCE_FATAL_ERROR_READING_BINLOG, ER_SOURCE_HAS_PURGED_REQUIRED_GTIDS, ER_REPLICA_FATAL_ERROR as the receiver
 * tells them: the log that it needs is gone, or it has what the group does not have.
 */
const cannotGoOn: ReadonlySet<number> = new Set([1236, 1789, 13114]);

export const placeOf = ({ address, groupPort }: Pick<Source, 'address' | 'groupPort'>): string =>
  `${address}:${groupPort}`;

/** Follows whoever is in the group's newest view: stays with the node that it follows as long as that one is. */
export function decideReplica({ pod, fresh, channel, sources, peers }: ReplicaSituation): ReplicaStep {
  const members = membersOf(peers);
  const placed = members.flatMap(({ pod: name }) => sources.filter((each) => each.pod === name));
  const [first] = placed;
  if (fresh) {
    // A copy reads a lot: from a secondary, if there is one.
    const from = placed.at(-1);
    return from ? { do: 'copy', from } : { do: 'wait', for: 'a member of the group to copy' };
  }
  if (channel !== undefined && channel.applyError.number !== 0) {
    const { number, text } = channel.applyError;
    return {
      do: 'wait',
      for: `an operator: it cannot apply what it is sent (${number} ${text}); \`sallyport db rebuild ${pod}\` makes it a copy of the group again`,
    };
  }
  if (first === undefined) return { do: 'wait', for: 'a member of the group to follow' };
  if (channel === undefined) return { do: 'follow', source: first };
  if (channel.receiving === 'OFF' && cannotGoOn.has(channel.receiveError.number))
    return { do: 'start-over', why: channel.receiveError.text };
  const now = placed.find((each) => placeOf(each) === channel.source);
  const runs = channel.receiving !== 'OFF' && channel.applying === 'ON';
  if (now !== undefined && runs) return { do: 'nothing' };
  return { do: 'follow', source: now ?? first };
}

/** Members of the newest view that have room, the primary first: what it has committed is nowhere sooner. */
export function membersOf(peers: readonly PeerView[]): AgentStatus[] {
  const living = peers.flatMap(({ status: s }) =>
    s?.state === 'ONLINE' && s.majority && !s.full ? [s] : [],
  );
  const newest = living
    .map((s) => s.view)
    .sort(compareViews)
    .at(-1);
  const rank = (s: AgentStatus): string => `${s.role === 'PRIMARY' ? 0 : 1}${s.pod}`;
  return living.filter((s) => s.view === newest).sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}
