import type { Session } from '#sdk/session.ts';
import type { MeshFacts } from '#services/cli/mesh/mesh-of-state.ts';
import type { TestDevice } from '#test/mesh-device.ts';
import type { LoadOptions } from './messages.ts';
import type { Window } from './window.ts';

/** A device of the load, with the session that its requests belong to. */
export interface LoadDevice extends TestDevice {
  readonly name: string;
  readonly session: Session;
}

/** What all parts of the load work with. */
export interface LoadContext {
  readonly options: LoadOptions;
  readonly mesh: MeshFacts;
  readonly random: () => number;
  /** CLOCK_MONOTONIC, milliseconds. */
  readonly now: () => number;
  /** The drill that goes on. */
  readonly window: () => Window;
  /** Aborted when the load is to end. */
  readonly signal: AbortSignal;
}

/** The CLOCK_MONOTONIC of the machine, which all its processes share. */
export const machineNow = (): number => Number(process.hrtime.bigint()) / 1e6;
