import type { Finding, KindCount } from './finding.ts';
import { checkLinearizable, type LinearizableOptions } from './linear/check-linearizable.ts';
import { ObjectLog } from './linear/object-log.ts';
import { HistoryError, readHistory } from './read.ts';
import { durableRule } from './rules/durable.ts';
import { epochRule } from './rules/epochs.ts';
import { executionRule } from './rules/executions.ts';
import { leaseRule } from './rules/leases.ts';
import { outcomeRule } from './rules/outcomes.ts';
import { revocationRule } from './rules/revocation.ts';
import type { Rule } from './rules/rule.ts';
import type { HistoryRecord, Invoke, Kind } from './schema.ts';
import { World } from './world.ts';

export interface CheckOptions {
  /** How linearizability is checked; absent: it is not, and objects in the history are a finding. */
  readonly linearizable?: LinearizableOptions;
  /** Operations that a history may have at most: they are remembered, some 300 bytes each. Default 5,000,000. */
  readonly maxOperations?: number;
  /** Findings after which no more are kept; they are counted on. Default 1,000. */
  readonly maxFindings?: number;
}

export interface CheckResult {
  readonly findings: readonly Finding[];
  /** All findings, kept or not. */
  readonly found: number;
  readonly counts: Readonly<Partial<Record<Kind, KindCount>>>;
  /** From the first record to the last. */
  readonly spanMs: number;
}

const ruleMakers = [revocationRule, epochRule, durableRule, leaseRule, executionRule, outcomeRule];

/**
 * Judges what the files of one run have recorded, in one pass in the order of time.
 * @throws HistoryError for files that are not histories of one run, or a history that is too large
 */
export async function checkHistory(
  files: string | readonly string[],
  options: CheckOptions = {},
): Promise<CheckResult> {
  const { maxOperations = 5_000_000, maxFindings = 1000, linearizable } = options;
  const findings: Finding[] = [];
  let found = 0;
  const report = (finding: Finding): void => {
    found += 1;
    if (findings.length < maxFindings) findings.push(finding);
  };
  const world = new World();
  const rules = ruleMakers.map((make) => make(world, report));
  const objects = new ObjectLog();
  const book = new Book(world, rules, objects, report, maxOperations);
  let span: [number, number] | undefined;
  try {
    for await (const record of readHistory(typeof files === 'string' ? [files] : files)) {
      span = [span?.[0] ?? record.at, record.at];
      book.see(record);
    }
    book.end();
    for (const finding of await checkLinearizable(objects, linearizable)) report(finding);
  } finally {
    objects.close();
  }
  return { findings, found, counts: book.counts, spanMs: span === undefined ? 0 : span[1] - span[0] };
}

/** Pairs what was invoked with how it ended, and shows both to the rules. */
class Book {
  readonly counts: Partial<Record<Kind, KindCount>> = {};
  readonly #known = new Map<string, { readonly invoke: Invoke; open: boolean }>();
  readonly #parts: readonly [World, readonly Rule[], ObjectLog, (finding: Finding) => void, number];

  constructor(
    world: World,
    rules: readonly Rule[],
    objects: ObjectLog,
    report: (finding: Finding) => void,
    maxOperations: number,
  ) {
    this.#parts = [world, rules, objects, report, maxOperations];
  }

  see(record: HistoryRecord): void {
    const [world, rules, objects, , maxOperations] = this.#parts;
    switch (record.type) {
      case 'history':
        return;
      case 'invoke':
        if (this.#known.has(record.op)) {
          this.#malformed(record, 'was invoked before');
          return;
        }
        if (this.#known.size >= maxOperations) {
          throw new HistoryError(`the history has more than ${maxOperations} operations`);
        }
        this.#known.set(record.op, { invoke: record, open: true });
        this.#count(record.kind).invoked += 1;
        world.invoked(record);
        for (const rule of rules) rule.invoked?.(record);
        return;
      case 'complete': {
        const known = this.#known.get(record.op);
        if (known?.open !== true) {
          this.#malformed(record, 'completed, and was not under way');
          return;
        }
        known.open = false;
        this.#count(known.invoke.kind)[record.outcome] += 1;
        world.completed(known.invoke, record);
        objects.ended(known.invoke, record);
        for (const rule of rules) rule.ended?.({ invoke: known.invoke, complete: record });
        return;
      }
      case 'effect':
        for (const rule of rules) rule.effect?.(record, this.#known.get(record.op)?.invoke);
        return;
      case 'piece': {
        const known = this.#known.get(record.op);
        if (known === undefined) {
          this.#malformed(record, 'has a piece, and was not invoked');
          return;
        }
        for (const rule of rules) rule.piece?.(record, known.invoke);
        return;
      }
      case 'attached':
        for (const rule of rules) rule.attached?.(record);
        return;
      case 'silence':
        for (const rule of rules) rule.silence?.(record);
        return;
    }
  }

  end(): void {
    const [, rules, objects] = this.#parts;
    for (const { invoke, open } of this.#known.values()) {
      if (!open) continue;
      objects.ended(invoke, undefined);
      for (const rule of rules) rule.ended?.({ invoke });
    }
    for (const rule of rules) rule.atEnd?.();
  }

  #count(kind: Kind): KindCount {
    this.counts[kind] ??= { invoked: 0, ok: 0, refused: 0, failed: 0, unknown: 0 };
    return this.counts[kind];
  }

  #malformed({ op, at }: { op: string; at: number }, what: string): void {
    const [, , , report] = this.#parts;
    report({ rule: 'malformed-history', ops: [op], at, message: `the operation ${op} ${what}` });
  }
}
