import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Complete, Invoke } from '../schema.ts';

/** One line of what the linearizability checker reads. Times in nanoseconds. */
export interface ObjectOperation {
  readonly op: string;
  readonly object: string;
  readonly type: 'register' | 'set';
  readonly action: string;
  readonly value?: string | undefined;
  readonly expected?: string | undefined;
  /** Absent: what it saw is not known. */
  readonly saw?: Complete['saw'];
  readonly call: number;
  /** Absent: it may take effect at any time after `call`, or never. */
  readonly return?: number;
}

/** Operations on registers and sets, put aside in a temporary file for the checker. */
export class ObjectLog {
  #file: { readonly dir: string; readonly path: string; readonly fd: number } | undefined;
  count = 0;

  /** The file, if there is anything to check. */
  get path(): string | undefined {
    return this.#file?.path;
  }

  ended(invoke: Invoke, complete: Complete | undefined): void {
    const { acts, op, at } = invoke;
    if (acts === undefined || complete?.outcome === 'refused') return;
    const reads = acts.action === 'read' || acts.action === 'contains' || acts.action === 'list';
    const done = complete?.outcome === 'ok';
    // What read nothing that anybody got has said nothing.
    if (reads && !done) return;
    const { type, key, action, value } = acts;
    this.#write({
      ...{ op, object: `${type} ${key}`, type, action, value, call: nanoseconds(at) },
      ...(acts.type === 'register' && { expected: acts.expected }),
      ...(done && { saw: complete.saw ?? {}, return: nanoseconds(complete.at) }),
    });
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file.fd);
    rmSync(this.#file.dir, { recursive: true, force: true });
    this.#file = undefined;
  }

  #write(operation: ObjectOperation): void {
    if (this.#file === undefined) {
      const dir = mkdtempSync(join(tmpdir(), 'sp-objects-'));
      const path = join(dir, 'objects.jsonl');
      this.#file = { dir, path, fd: openSync(path, 'ax', 0o600) };
    }
    this.count += 1;
    writeSync(this.#file.fd, `${JSON.stringify(operation)}\n`);
  }
}

/** Whole; within 2^53 for a hundred days of uptime, which is as exact as the order needs. */
const nanoseconds = (ms: number): number => Math.round(ms * 1e6);
