import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { systemClock } from '#kernel/time/system-clock.ts';
import {
  type Attachment,
  type Completion,
  type EffectSeen,
  type Head,
  type HistoryRecord,
  historyVersion,
  type Invocation,
  type SilencePromise,
} from './schema.ts';

/** An operation that was invoked. `id` goes to the backend in the header `operationHeader`. */
export interface Operation {
  readonly id: string;
}

/** By which a backend knows whose effect it records. Drills set it on each request. */
export const operationHeader = 'x-drill-operation';

/**
 * Records what happens, each record with one synchronous append: a recorder killed by SIGKILL has lost
 * nothing that it was told, and holds nothing in memory. Some 10 µs a record.
 */
export interface History {
  invoke(invocation: Invocation): Operation;
  complete(operation: Operation, completion: Completion): void;
  /** What a backend did. To be called before it answers. */
  effect(effect: EffectSeen): void;
  /** A piece of a stream arrived; `emittedAt` is `monotonicMs()` of the process that gave it. */
  piece(operation: Operation, emittedAt: number): void;
  attached(attachment: Attachment): void;
  silence(promise: SilencePromise): void;
  close(): void;
}

export interface HistoryClock {
  /** CLOCK_MONOTONIC of the machine, milliseconds. */
  monotonicMs(): number;
  wallMs(): number;
}

export interface HistoryOptions {
  /** Of the run: the same for all files that are checked together. */
  readonly run: string;
  /** Which process or part records this; unique in the run, begins the ids of its operations. */
  readonly recorder: string;
  readonly clock?: HistoryClock;
}

/** CLOCK_MONOTONIC in milliseconds: unlike `performance.now()`, the same in every process of a machine. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

const machineClock: HistoryClock = { monotonicMs, wallMs: () => systemClock.now() };

/** Opens a new file. @throws EEXIST: histories are not overwritten */
export function openHistory(file: string, options: HistoryOptions): History {
  const { run, recorder, clock = machineClock } = options;
  const fd = openSync(file, 'ax', 0o600);
  let closed = false;
  let count = 0;
  let last = 0;
  const write = (record: HistoryRecord): void => {
    // What arrives after the end of a drill (a straggler's completion) is no part of it.
    if (!closed) writeSync(fd, `${JSON.stringify(record)}\n`);
  };
  const stamp = (): { at: number; wall: number } => {
    last = Math.max(last, clock.monotonicMs());
    return { at: last, wall: clock.wallMs() };
  };
  const head: Head = { type: 'history', version: historyVersion, ...stamp(), run, recorder, boot: bootId() };
  write(head);
  return {
    invoke: (invocation) => {
      count += 1;
      const op = `${recorder}-${count}`;
      write({ type: 'invoke', ...stamp(), op, ...invocation });
      return { id: op };
    },
    complete: ({ id }, completion) => write({ type: 'complete', ...stamp(), op: id, ...completion }),
    effect: (effect) => write({ type: 'effect', ...stamp(), ...effect }),
    piece: ({ id }, emittedAt) => write({ type: 'piece', ...stamp(), op: id, emittedAt }),
    attached: (attachment) => write({ type: 'attached', ...stamp(), ...attachment }),
    silence: (promise) => write({ type: 'silence', ...stamp(), ...promise }),
    close: () => {
      if (closed) return;
      closed = true;
      closeSync(fd);
    },
  };
}

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
