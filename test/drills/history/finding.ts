/** What a history shows to be wrong. */
export type RuleName =
  /** I1: something of a revoked session was accepted after the revocation was acknowledged fleet-wide. */
  | 'accepted-after-revocation'
  /** I2 */
  | 'epoch-given-twice'
  /** I3: an acknowledged enrolment, session or write is not there any more. */
  | 'acknowledged-lost'
  /** I3 and I1: what was revoked is there again. */
  | 'revocation-lost'
  /** I4 */
  | 'relayed-without-lease'
  | 'wrong-answer'
  | 'executed-twice'
  | 'different-effects'
  /** An effect of a request that nobody made. */
  | 'effect-from-nowhere'
  /** UNKNOWN_OUTCOME for what is repeatable, or was not in flight at any fault. */
  | 'unknown-without-cause'
  /** An operation that has neither succeeded nor failed by the end. */
  | 'never-ended'
  | 'not-linearizable'
  /** It could not be told within its bounds whether an object is linearizable. */
  | 'undecided'
  /** The history contradicts itself: the drill records wrongly. */
  | 'malformed-history';

export interface Finding {
  readonly rule: RuleName;
  /** Operations concerned, the one at fault first. */
  readonly ops: readonly string[];
  /** Milliseconds on the history's clock. */
  readonly at: number;
  readonly message: string;
}

/** How one kind of operation ended. */
export interface KindCount {
  invoked: number;
  ok: number;
  refused: number;
  failed: number;
  unknown: number;
}
