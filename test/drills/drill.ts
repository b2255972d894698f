import type { PodPart } from '#compose/runner/mesh.ts';
import type { OwnMesh, OwnMeshOptions } from '#test/mesh.ts';
import type { Network } from '#test/netns/network.ts';
import type { RowFigure } from './row-figure.ts';
import type { Load } from './stand.ts';

/** One process of a mesh that something is done to. */
export interface Victim {
  readonly pod: string;
  readonly part: PodPart;
}

/** Longest stalls in milliseconds beyond normal, by what is held up; without one for information only. */
export interface StallGoals {
  readonly relay?: number;
  readonly login?: number;
  readonly write?: number;
}

/** One row of the table: a failure that the drill's steps bring about. */
export interface Failure {
  /** As the table has it, such as `SIGKILL a security pod`. */
  readonly name: string;
  readonly goals: StallGoals;
  /** Chooses whom it meets, by the seed. */
  readonly victims: (mesh: OwnMesh, random: () => number) => Victim[] | Promise<Victim[]>;
  /** No unrepeatable request may end as UNKNOWN_OUTCOME, though some are in flight. */
  readonly unnoticed?: true;
  /** Belongs to the short form that `npm test` runs. */
  readonly short?: true;
  /** Milliseconds for which the failure lasts at least and at most, where it lasts; chosen by the seed. */
  readonly lasts?: readonly [number, number];
}

/** `drill.ts` of a drill's folder exports one of these as `drill`. */
export interface DrillDefinition {
  /** One line: what it proves. */
  readonly about: string;
  readonly failures: readonly Failure[];
  /** What its mesh has that others' have not; drills without share one. */
  readonly mesh?: Omit<OwnMeshOptions, 'stateDir' | 'progress' | 'hosts'>;
  /** Instead of steps under load: does all of it by itself, on meshes of its own. */
  readonly alone?: (context: AloneContext) => Promise<void>;
  /** Names of the hosts, network namespaces each, on which its mesh lives. The phones are outside of them. */
  readonly hosts?: readonly string[];
  /** Hosts beside them that have the database nodes, and nothing else. */
  readonly databaseHosts?: readonly string[];
  /** Hosts of a slave site beside them, on which its mesh has one (`../site-world.ts`). */
  readonly slaveHosts?: readonly string[];
  /** Makes what its mesh stands on; it then has a mesh of its own. @throws when this machine does not let it */
  readonly prepare?: () => Promise<Ground>;
}

/** What a drill has that does all of it by itself. */
export interface AloneContext extends Pick<StepContext, 'failure' | 'random' | 'signal' | 'note' | 'figure'> {
  readonly progress: (line: string) => void;
}

/** What a mesh stands on that is not as usual. */
export interface Ground {
  readonly stateDir: string;
  /** What its mesh has that is known only now. */
  readonly mesh?: DrillDefinition['mesh'];
  /** Run when the mesh is gone; removes the folder too. */
  close(): void | Promise<void>;
}

/** What a step can do. */
export interface StepContext {
  readonly mesh: OwnMesh;
  /** Of drills that have hosts. @throws for others */
  readonly network: () => Network;
  readonly failure: Failure;
  readonly victims: readonly Victim[];
  /** The same for the same seed. */
  readonly random: () => number;
  /** How long the failure is to last, milliseconds; 0 where it does not last. */
  readonly lastsMs: number;
  readonly signal: AbortSignal;
  readonly load: Load;
  /**
   * To be called just before something is broken, and just after it is mended, if it is the drill that mends it.
   * `mayRefuseAfterMs`: from so long after the breaking on, UNAVAILABLE with RetryInfo is a right answer.
   */
  broken(mayRefuseAfterMs?: number): Promise<void>;
  mended(): Promise<void>;
  /** Lets the load go on for so long. */
  watch(ms: number): Promise<void>;
  /**
   * Lets the load go on until it is calm, as after a change that is no failure; what it was until then is told as a
   * note that begins with `what`, and not taken for normal. A failed request has failed all the same.
   */
  settle(what: string): Promise<void>;
  /** Run when the drill ends, however it ends, the latest first. Harmless when there is nothing to undo. */
  undo(run: () => void | Promise<void>): void;
  /** Told with the drill's result. */
  note(line: string): void;
  /** Something measured beside requests and stalls; one that misses its goal makes the row miss. */
  figure(figure: RowFigure): void;
}

/** Every `NN-name.ts` of a drill's folder exports one as `step`; they run in the order of their numbers. */
export type Step = (context: StepContext) => Promise<void>;

/** A drill that was found, with its steps. */
export interface Drill extends DrillDefinition {
  readonly name: string;
  readonly steps: readonly { readonly name: string; readonly run: Step }[];
}
