import type { StepRun } from '../engine/definition.ts';
import type { Json } from '../engine/json.ts';

/**
 * How it comes that an effect which is begun twice, because a worker died before it could journal the first time, is
 * had once:
 * - `idempotent`: asking twice leaves the same as asking once
 * - `token`: the receiver knows the step's token again, and does nothing for the second time
 * - `once`: neither, so it is never begun twice: after a crash it is not known whether it was, and that is said
 */
export type Deduplication = 'idempotent' | 'token' | 'once';

/** One kind of effect at one kind of receiver. */
export interface Connector<Request, Result extends Json> {
  /** `ldap-group` */
  readonly name: string;
  deduplicates(request: Request): Deduplication;
  /**
   * Does it. The error says by its code whether trying again may help: engine/retry.ts.
   * @throws TARGET_UNREACHABLE (nothing was done), TARGET_SILENT (something may have been), TARGET_REFUSED,
   *   TARGET_UNKNOWN, OVERLOADED, and what the receiver says
   */
  act(request: Request, run: StepRun): Promise<Result>;
}
