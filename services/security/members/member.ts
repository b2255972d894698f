export type MemberState = 'starting' | 'serving' | 'draining' | 'stopped';

/** A security pod as the database knows it. */
export interface Member {
  readonly pod: string;
  readonly incarnation: number;
  /** When it last said that it is alive: Unix milliseconds, database time. */
  readonly heartbeatMs: number;
  readonly state: MemberState;
  /** How far it had read the feed then. */
  readonly feedPosition: number;
}

/** Milliseconds without a heartbeat (they come every second) after which a pod is no longer asked anything. */
export const livingMs = 5000;

/**
 * Other pods that are worth asking. Heartbeats are compared with the latest one of all, not with the time: while the
 * database has no primary nobody can write any, and everybody may be alive.
 */
export function livingPeers(members: readonly Member[], self: string): Member[] {
  const latest = Math.max(...members.map((member) => member.heartbeatMs));
  return members.filter(
    (member) => member.pod !== self && member.state !== 'stopped' && latest - member.heartbeatMs < livingMs,
  );
}
