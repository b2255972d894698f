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

/** Other pods that are worth asking. */
export function livingPeers(members: readonly Member[], self: string, nowMs: number): Member[] {
  return members.filter(
    (member) => member.pod !== self && member.state !== 'stopped' && nowMs - member.heartbeatMs < livingMs,
  );
}
