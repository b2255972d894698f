import type { Finding } from '../finding.ts';
import type { Attached, Complete, Effect, Invoke, Piece, Silence } from '../schema.ts';
import type { World } from '../world.ts';

/** An operation and how it ended; `complete` is absent if it never did. */
export interface Ended<I extends Invoke = Invoke> {
  readonly invoke: I;
  readonly complete?: Complete;
}

/**
 * One thing that must hold. It is shown the history in the order of time, and tells of what contradicts it as
 * soon as that is certain.
 */
export interface Rule {
  invoked?(invoke: Invoke): void;
  /** When it completes; at the end of the history for what never did. */
  ended?(operation: Ended): void;
  /** `invoke` is absent for an effect of a request that nobody made. */
  effect?(effect: Effect, invoke: Invoke | undefined): void;
  piece?(piece: Piece, invoke: Invoke): void;
  attached?(attached: Attached): void;
  silence?(silence: Silence): void;
  atEnd?(): void;
}

export type RuleMaker = (world: World, report: (finding: Finding) => void) => Rule;
