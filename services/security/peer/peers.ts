import type { Revocation } from '../feed/feed.ts';

/** A sealed record as it travels between pods. */
export interface TravellingSession {
  readonly sessionId: string;
  readonly record: Uint8Array;
  readonly version: number;
  /** The gateways that serve it, by group. */
  readonly gateways?: Readonly<Record<string, string>>;
}

/** What a pod says that was asked for a session. */
export type HandOverAnswer =
  | { readonly is: 'session'; readonly session: TravellingSession }
  | { readonly is: 'forwarded'; readonly to: string }
  | { readonly is: 'unknown' };

/** The other security pods, each addressed by name. All calls are bounded and throw when there is no answer. */
export interface Peers {
  /** @param notAt a pod to which `pod` has given it, and which does not have it: then `pod` gives it again */
  handOver(pod: string, sessionId: string, timeoutMs: number, notAt?: string): Promise<HandOverAnswer>;
  /** Gives the position up to which entries have been carried out there. */
  pushRevocation(
    pod: string,
    entries: readonly Revocation[],
    waitForLeases: boolean,
    timeoutMs: number,
  ): Promise<number>;
  /** Gives how many were taken. */
  pushSessions(pod: string, sessions: readonly TravellingSession[], timeoutMs: number): Promise<number>;
}
