/**
 * The records of a history: JSON lines, each file in the order of its own `at`. `at` is CLOCK_MONOTONIC in
 * milliseconds, which all processes of one machine share (network namespaces included), so files of several
 * recorders merge into one order; `wall` is for people and for what is promised in wall-clock time.
 */
import { z } from 'zod';

export const historyVersion = 1;

const name = z.string().min(1).max(256);
const text = z.string().max(4096);
const at = z.number().nonnegative();
const stamp = { at, wall: z.number() };

/** What an operation does to an object that has a sequential specification; checked for linearizability. */
const acts = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('register'),
    key: name,
    action: z.enum(['read', 'write', 'cas']),
    /** Written value. */
    value: text.optional(),
    /** Of a cas: what must be there. */
    expected: text.optional(),
  }),
  z.strictObject({
    type: z.literal('set'),
    key: name,
    action: z.enum(['add', 'remove', 'contains', 'list']),
    /** Of all but `list`. */
    value: text.optional(),
  }),
]);

/** What a completed operation saw of the object. A register never written reads null. */
const saw = z.strictObject({
  value: text.nullable().optional(),
  values: z.array(text).optional(),
  /** Of a cas: whether it was carried out. Of contains: whether it is in. */
  yes: z.boolean().optional(),
});

const invoked = <K extends string, S extends z.ZodRawShape>(kind: K, shape: S) =>
  z.strictObject({
    type: z.literal('invoke'),
    kind: z.literal(kind),
    ...stamp,
    /** Unique in the run; the backend learns it from a header and names it in its effects. */
    op: name,
    /** Who does it, such as a device: one at a time, or several. */
    client: name,
    acts: acts.optional(),
    ...shape,
  });

export const revocationTarget = z.strictObject({
  of: z.enum(['session', 'key', 'user']),
  id: name,
});

export const invokeRecord = z.discriminatedUnion('kind', [
  /** A device's request through the mesh. */
  invoked('request', {
    session: name,
    method: name,
    path: text,
    /** Idempotent by its method or by an Idempotency-Key: the SDK sends it again. */
    repeatable: z.boolean(),
    idempotencyKey: name.optional(),
    /** What the right answer is: its body, or a digest of it. */
    expects: text.optional(),
    /** The backend records an effect before it answers this. */
    executes: z.boolean().optional(),
  }),
  /** A long-lived answer; what arrives is recorded as pieces. */
  invoked('stream', { session: name, path: text }),
  invoked('enroll', { user: name }),
  /** Opens a session, with a shared key (devices) or without (people). */
  invoked('login', { user: name, enrolment: name.optional() }),
  invoked('revoke', { target: revocationTarget, wait: z.enum(['NONE', 'FLEET']) }),
  /** A list of all that there is. */
  invoked('inventory', { of: z.enum(['keys', 'sessions']), user: name.optional() }),
  /** Any other call; `acts` says what it does to which object. */
  invoked('call', { method: name }),
  /** What the drill breaks or mends. It is recorded from just before to just after the moment of doing so. */
  invoked('fault', { action: name, target: name }),
]);

export const completeRecord = z.strictObject({
  type: z.literal('complete'),
  ...stamp,
  op: name,
  /**
   * `ok`: done. `refused`: certainly not done (a denial, a failed condition). `failed`: an error, it may have
   * been done or not. `unknown`: UNKNOWN_OUTCOME, as the SDK calls it.
   */
  outcome: z.enum(['ok', 'refused', 'failed', 'unknown']),
  /** Reason of the error, from core/errors/registry.ts. */
  reason: name.optional(),
  /** Of a request: the answer, or a digest of it, in the form of `expects`. */
  answer: text.optional(),
  status: z.int().optional(),
  proxy: name.optional(),
  /** Of enroll: id of the enrolment. */
  enrolment: name.optional(),
  /** Of login: id of the session. */
  session: name.optional(),
  /** Of login: it is not in the database yet, so it may be lost. */
  writtenBehind: z.boolean().optional(),
  /** Of login: when the session ends by itself, by the wall clock. */
  expiresWall: z.number().optional(),
  /** Of inventory. */
  ids: z.array(name).optional(),
  saw: saw.optional(),
});

/** What a backend did for a request. Recorded before it answers. */
export const effectRecord = z.strictObject({
  type: z.literal('effect'),
  ...stamp,
  op: name,
  backend: name,
  /** False: the backend knew the Idempotency-Key, and answered again without doing it again. */
  executed: z.boolean(),
  /** What the effect was; the same for every repetition of one request. */
  value: text.optional(),
  /** The proxy that relayed it, by its certificate. */
  proxy: name.optional(),
  /** End of the identity assertion it came with, by the wall clock. */
  assertionUntilWall: z.number().optional(),
});

/** A piece of a stream that reached the device, with the moment at which the backend gave it (its `at`). */
export const pieceRecord = z.strictObject({
  type: z.literal('piece'),
  ...stamp,
  op: name,
  emittedAt: at,
});

export const attachedRecord = z.strictObject({
  type: z.literal('attached'),
  ...stamp,
  /** When the device began to look for a proxy. */
  since: at,
  client: name,
  session: name,
  /** 16 bytes in hexadecimal. */
  epoch: z.string().regex(/^[0-9a-f]{32}$/),
  proxy: name,
});

/**
 * A promise that the drill has reason to hold: from `from` on nothing may be relayed there. For instance:
 * proxy-1 was cut off from every security pod at 0, so its leases have run out at 10 s.
 */
export const silenceRecord = z.strictObject({
  type: z.literal('silence'),
  ...stamp,
  from: at,
  /** Absent: to the end of the history. */
  until: at.optional(),
  /** Absent: every proxy. */
  proxy: name.optional(),
  /** Absent: every session. */
  session: name.optional(),
  why: text,
});

export const headRecord = z.strictObject({
  type: z.literal('history'),
  version: z.literal(historyVersion),
  ...stamp,
  run: name,
  recorder: name,
  /** Random id of this boot of the machine: only files of one boot share the monotonic clock. */
  boot: name,
});

export const historyRecord = z.discriminatedUnion('type', [
  headRecord,
  invokeRecord,
  completeRecord,
  effectRecord,
  pieceRecord,
  attachedRecord,
  silenceRecord,
]);

export type HistoryRecord = z.infer<typeof historyRecord>;
export type Head = z.infer<typeof headRecord>;
export type Invoke = z.infer<typeof invokeRecord>;
export type Complete = z.infer<typeof completeRecord>;
export type Effect = z.infer<typeof effectRecord>;
export type Piece = z.infer<typeof pieceRecord>;
export type Attached = z.infer<typeof attachedRecord>;
export type Silence = z.infer<typeof silenceRecord>;
export type Kind = Invoke['kind'];
export type InvokeOf<K extends Kind> = Extract<Invoke, { kind: K }>;

type Unstamped<R, More extends string = never> = R extends unknown
  ? Omit<R, 'type' | 'at' | 'wall' | More>
  : never;

/** What a caller says of each; the recorder adds type, stamps and the operation's id. */
export type Invocation = Unstamped<Invoke, 'op'>;
export type Completion = Unstamped<Complete, 'op'>;
export type EffectSeen = Unstamped<Effect>;
export type Attachment = Unstamped<Attached>;
export type SilencePromise = Unstamped<Silence>;
