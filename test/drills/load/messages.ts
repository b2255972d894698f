/** What the drills and the process that loads the mesh say to each other. */
import type { SilencePromise } from '../history/schema.ts';
import type { Settled } from './settle.ts';

/** Device requests, by what may be done with them; streams; and what happens rarely. */
export const requestKinds = ['get', 'keyed', 'once', 'events', 'download'] as const;
export const rareKinds = ['login', 'enrol', 'activate', 'revoke'] as const;
export type RequestKind = (typeof requestKinds)[number];
export type RareKind = (typeof rareKinds)[number];
/** `fleet`: a revocation that waits until nobody can accept the session; it has no goal of its own. `slow`: asked for on purpose. */
export type Kind = RequestKind | RareKind | 'fleet' | 'slow';

export interface LoadOptions {
  /** Of the mesh. */
  readonly stateDir: string;
  readonly seed: number;
  /** SDK devices with a session each. */
  readonly devices: number;
  /** Requests of them all in a second. */
  readonly perSecond: number;
  /** How many of the devices hold an event stream, and how many read a large file slowly. */
  readonly streams: number;
  readonly downloads: number;
  /** A second. */
  readonly logins: number;
  readonly enrolments: number;
  readonly revocations: number;
  /** An empty folder for the histories of its drills; see ../history/README.md. */
  readonly historyDir: string;
}

export type LoadAsk =
  /** A drill begins: what begins from now on is its own. */
  | { readonly do: 'begin' }
  /** Answered with how it came to be calm ({@link Settled}), once it is. */
  | { readonly do: 'settle' }
  /** Something is broken now. Several in one drill are told one by one. */
  | { readonly do: 'broken'; readonly mayRefuseAfterMs?: number }
  /** So many requests at once for a page that takes so long. */
  | { readonly do: 'slow'; readonly requests: number; readonly ms: number }
  /** So many sessions with open streams are revoked, at that rate; answered with a {@link CutReport}. */
  | { readonly do: 'cut'; readonly revocations: number; readonly perSecond: number }
  /** Answered with the {@link HeldSession}s of the devices. */
  | { readonly do: 'sessions' }
  /** Something that the drill has reason to promise, for the history of the load. */
  | { readonly do: 'silence'; readonly promise: SilencePromise }
  /** It is mended, as far as the drill mends it. */
  | { readonly do: 'mended' }
  /** The drill is over: answered with its report once all that began in it has ended. */
  | { readonly do: 'end' }
  | { readonly do: 'close' };

/** Milliseconds from asking for a revocation until the last open stream of its session was cut, one each. */
export interface CutReport {
  readonly ms: readonly number[];
  /** Until the operator had his answer, of the same. */
  readonly committedMs: readonly number[];
}

export type LoadAnswer = LoadReport | CutReport | HeldSession[] | Settled | undefined;

export interface HeldSession {
  readonly id: string;
  readonly routeKey: string;
}

/** Milliseconds beyond what is normal; see README.md. */
export interface Stall {
  readonly ms: number;
  /** What took longest, for people. */
  readonly what: string;
}

export interface KindReport {
  readonly begun: number;
  readonly ok: number;
  readonly failed: number;
  readonly unknown: number;
  /** Ended with UNAVAILABLE and RetryInfo, where that is right. */
  readonly refused: number;
  /** Median milliseconds when nothing is broken. */
  readonly normalMs: number;
  /** Beyond normal: before anything was broken, and from then on. */
  readonly calm: Stall;
  readonly stall: Stall;
}

export interface LoadReport {
  readonly kinds: Readonly<Record<Kind, KindReport>>;
  /** Unrepeatable requests that were under way while something was broken. */
  readonly inFlight: number;
  /** Reasons of failures with their number, and examples. */
  readonly failures: readonly string[];
  /** Files of the drill's history. */
  readonly history: readonly string[];
  /** What was acknowledged and is not there; the history may tell of more. */
  readonly lost: readonly string[];
  /** Answers to something else, effects done twice, frames accepted after a revocation. */
  readonly wrong: readonly string[];
  /** The same, of what failed, was lost or wrong since the drill before. */
  readonly between: readonly string[];
  /** Requests that were not begun, since too many were under way or the load itself stood still: it was less than it says. */
  readonly skipped: number;
  /** Of this process: share of a core, and the longest time for which its event loop stood still. */
  readonly cpu: number;
  readonly lagMs: number;
  readonly seconds: number;
}
