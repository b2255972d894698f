import type { DescMessage } from '@bufbuild/protobuf';
import type { Json } from './json.ts';

/** One run of one effect. */
export interface StepRun {
  readonly taskId: string;
  /**
   * The same for every run of this step, of no other step: 22 letters. An effect that was begun before a crash is
   * begun again, so whoever receives it must be able to tell by this that it is the same.
   */
  readonly token: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** Aborted when the task is cancelled, this worker stops, or its claim is lost. */
  readonly signal: AbortSignal;
}

/** How often and when an effect is tried again after an error that can pass. */
export interface RetryPolicy {
  /** In all; then the task is put aside as dead. Default 8. */
  readonly attempts: number;
  /** Milliseconds before the second; doubled each time. Default 500. */
  readonly firstMs: number;
  /** Milliseconds between two at most. Default 60,000. */
  readonly longestMs: number;
}

export interface StepOptions<T extends Json> {
  readonly retry?: Partial<RetryPolicy>;
  /** Takes the effect back when the task is cancelled or fails later on; a step like others, last one first. */
  readonly undo?: (result: T, run: StepRun) => Promise<void>;
}

/**
 * What a task's function is given. The function is run again from its beginning after every wait and every crash;
 * what it has done is then not done again but told from the journal. So between steps it must decide by nothing but
 * its input and what steps have given: no time, no random number, no other effect. Names are unique within a task.
 */
export interface TaskContext {
  readonly taskId: string;
  /** Whose it is: `person/anna`, `operator/…`, `service/…`, `schedule/…`. */
  readonly submitter: string;
  /**
   * Runs an effect and journals what it gives.
   * @throws what the effect has thrown, when it cannot pass by being tried again; CANCELLED
   */
  step<T extends Json>(
    name: string,
    effect: (run: StepRun) => Promise<T>,
    options?: StepOptions<T>,
  ): Promise<T>;
  /** Waits, holding no worker. Milliseconds, from when it is first reached. */
  sleep(name: string, ms: number): Promise<void>;
  /** Waits for a message of that name from outside, which may have come before; undefined after `withinMs`. */
  message<T extends Json>(name: string, options?: { readonly withinMs?: number }): Promise<T | undefined>;
  /**
   * Makes a work item and waits, as for a message, until somebody has completed it; undefined after `withinMs`. What is
   * handed in fits the form. work-items/ask.ts has what most want.
   */
  ask(name: string, item: Ask): Promise<Answer | undefined>;
  /** Runs another task, and waits for its result. It is cancelled with this one. @throws what it failed with */
  child<T extends Json>(name: string, kind: string, input: Json): Promise<T>;
}

/** Who is asked: all of them may work on it. At least one, at most 100. */
export interface Candidates {
  readonly users?: readonly string[];
  readonly groups?: readonly string[];
  /** viewer, helpdesk, operator or security-officer; each stands for those above, too. */
  readonly roles?: readonly string[];
}

/** One thing that a person is to do. */
export interface Ask {
  /** In a sentence; at most 200 characters. */
  readonly title: string;
  /** What there is to know about it. */
  readonly details?: Json;
  /** Describes what is to be filled in, with its rules (protovalidate). */
  readonly form: DescMessage;
  readonly to: Candidates;
  /** Users who may not, whatever else they are: nobody approves what is their own. */
  readonly except?: readonly string[];
  /** Milliseconds. Then it is withdrawn, and the task goes on without. */
  readonly withinMs?: number;
  /** If it is not completed by then, these are asked, too, and whoever has reserved it has it no more. */
  readonly escalate?: { readonly afterMs: number; readonly to: Candidates };
}

/** What somebody has handed in. */
export interface Answer {
  /** `person/anna` */
  readonly by: string;
  /** The form's message, as JSON of protobuf. */
  readonly form: Json;
}

/** A kind of task, in one version. What has begun with a version is finished with it. */
export interface TaskDefinition {
  /** `onboarding`; at most 80 of a-z, 0-9, - and . */
  readonly kind: string;
  /** From 1. A change of which steps there are, or of their order, makes a new one. */
  readonly version: number;
  /** What it does, in a sentence: for people who choose from a list. */
  readonly summary?: string;
  /** Every person and every internal service may submit it; otherwise it takes an operator's role. */
  readonly forAnyone?: boolean;
  readonly run: (context: TaskContext, input: Json) => Promise<Json>;
}

/** Definitions by kind and version. @throws CONFIG_INVALID when one is there twice, or its kind is none */
export interface TaskRegistry {
  /** Of what is submitted now. */
  newest(kind: string): TaskDefinition | undefined;
  find(kind: string, version: number): TaskDefinition | undefined;
  readonly all: readonly TaskDefinition[];
}
