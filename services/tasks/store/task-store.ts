import type { Json } from '../engine/json.ts';

export interface NewTask {
  readonly kind: string;
  readonly version: number;
  readonly input: Json;
  /** Whose it is; each gets its turn, however much another one has submitted. At most 160 bytes. */
  readonly submitter: string;
  /** Chosen by the submitter: the same key is the same task. At most 80 bytes. */
  readonly requestKey: string;
}

/** `open`: it runs, waits, or may run. `dead`: put aside until somebody looks at it. The rest is for good. */
export type TaskState = 'open' | 'done' | 'failed' | 'cancelled' | 'dead';

/** Why something failed: a reason of core/errors, and words. */
export interface TaskError {
  readonly reason: string;
  readonly message: string;
}

export interface TaskInfo {
  readonly id: string;
  readonly kind: string;
  readonly version: number;
  readonly submitter: string;
  readonly state: TaskState;
  readonly input: Json;
  /** Of one that is done. */
  readonly result: Json | undefined;
  readonly error: TaskError | undefined;
  readonly parentId: string | undefined;
  /** Unix milliseconds, database time. */
  readonly createdMs: number;
  readonly endedMs: number | undefined;
  readonly cancelRequested: boolean;
}

/** A worker's fenced right to run a task. */
export interface Claim {
  readonly id: string;
  /** Higher with each claim. What is written under a lower one than the newest is refused. */
  readonly fence: number;
}

export interface ClaimedTask extends Claim {
  readonly submitter: string;
  readonly kind: string;
  readonly version: number;
  readonly input: Json;
  readonly cancelRequested: boolean;
  /** Claims in a row that left no entry in the journal and were not let go of, this one included. */
  readonly attempts: number;
  /** How often it was woken; what came while it ran is seen by that. */
  readonly wakes: number;
  readonly journal: readonly JournalRow[];
}

/** What the journal says of one name. */
export interface JournalRow {
  readonly name: string;
  /** `trying`: failed so far. `waiting`: for time, a message, a child. */
  readonly state: 'done' | 'failed' | 'trying' | 'waiting';
  readonly result: Json | undefined;
  readonly error: TaskError | undefined;
  readonly attempts: number;
  /** When to go on: of `trying` and `waiting`. Unix milliseconds. */
  readonly dueMs: number | undefined;
}

/** As somebody sees it who looks at the task. */
export interface HistoryRow extends JournalRow {
  /** When it was written first and last; Unix milliseconds, database time. */
  readonly firstMs: number;
  readonly lastMs: number;
}

export interface NewChild {
  readonly kind: string;
  readonly version: number;
  readonly input: Json;
}

/** A work item as its task has asked for it; times are those of `Ask`. */
export interface NewItem {
  readonly title: string;
  readonly details: Json;
  readonly form: FormText;
  /** `user/anna`, `group/hr`, `role/helpdesk` */
  readonly candidates: readonly string[];
  readonly except: readonly string[];
  readonly escalate: { readonly atMs: number; readonly candidates: readonly string[] } | undefined;
}

/** The description of a form. */
export interface FormText {
  /** Digest of the rest: 22 letters. */
  readonly id: string;
  readonly type: string;
  /** google.protobuf.FileDescriptorSet */
  readonly descriptorSet: Uint8Array;
}

export interface JournalEntry extends JournalRow {
  /** Begun with the entry, under an id that parent and name give. */
  readonly child?: NewChild;
  /** Made with the entry, under an id that task and name give. */
  readonly item?: NewItem;
}

/** How a run ends. */
export type Release =
  /** Goes on when the time has come, or something wakes it; at once if something has since it was claimed. */
  | { readonly to: 'open'; readonly dueMs: number | undefined; readonly wakes: number }
  | { readonly to: 'done'; readonly result: Json }
  | { readonly to: 'failed' | 'dead'; readonly error: TaskError }
  | { readonly to: 'cancelled' };

/**
 * Tasks and their journals. All writes can bear to be repeated: a repetition changes nothing. Each throws
 * DB_UNAVAILABLE, DB_BUSY; those under a claim CLAIM_LOST.
 */
export interface TaskStore {
  /** @throws REQUEST_KEY_REUSED when the key is that of a different task */
  submit(task: NewTask): Promise<{ readonly id: string; readonly created: boolean }>;
  /**
   * At most `limit` of those kinds, for `forMs`; fairly among submitters. With `suspect` one more may be among them
   * whose last two claims or more ended without a trace: what may have ended its workers.
   */
  claim(o: {
    readonly worker: string;
    readonly kinds: readonly { readonly kind: string; readonly version: number }[];
    readonly limit: number;
    readonly forMs: number;
    readonly suspect: boolean;
    /** What the worker is called where tasks are bound to hosts; default: none that is bound. */
    readonly places?: readonly string[] | undefined;
  }): Promise<readonly ClaimedTask[]>;
  /** Those that are still held, and whether they are to be cancelled. */
  renew(
    claims: readonly Claim[],
    forMs: number,
  ): Promise<readonly (Claim & { readonly cancelRequested: boolean })[]>;
  /** Gives back what the journal says now: what was there before, if it was final. */
  journal(claim: Claim, entry: JournalEntry): Promise<JournalRow>;
  release(claim: Claim, how: Release): Promise<void>;
  /**
   * Wakes those whose time has come; with `expired` also takes those back whose workers have not renewed their claims.
   * Gives how many.
   */
  ripen(o: { readonly limit: number; readonly expired: boolean }): Promise<number>;
  /** @throws NOT_FOUND; TASK_ENDED; what the name has got before stays */
  message(id: string, name: string, value: Json): Promise<void>;
  /** With its children. What has ended stays as it is. @throws NOT_FOUND */
  cancel(id: string): Promise<TaskInfo>;
  /** A dead one goes on: where it stood, or past the step, as if it had given that. @throws NOT_FOUND, TASK_ENDED */
  revive(id: string, skip?: { readonly step: string; readonly result: Json }): Promise<void>;
  find(id: string): Promise<TaskInfo | undefined>;
  /** In the order in which they were first written. */
  journalOf(id: string): Promise<readonly HistoryRow[]>;
}
