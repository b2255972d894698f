import { readOrders } from '#compose/demo/intranet/orders.ts';
import type { Done } from './recording.ts';
import type { Window } from './window.ts';

interface Placed {
  /** The operation, as the drill's history names it; undefined for what belongs to no drill. */
  op: string | undefined;
  readonly done: Omit<Done, 'op'>[];
}

/** Orders of earlier drills that ended without an answer, and may still come; as many are remembered. */
const maxPending = 10_000;

/** Orders that the devices have placed, and what the intranet has of them. */
export class Ledger {
  readonly #file: string;
  readonly #prefix: string;
  /** Of the drill that goes on, and of the one that ends. */
  #current = new Map<string, Placed>();
  #ending = new Map<string, Placed>();
  readonly #pending = new Set<string>();
  #count = 0;
  /** Orders up to this number have been read. */
  #seen = 0;

  /** `prefix` tells this run's orders from those of others. */
  constructor(file: string, prefix: string) {
    this.#file = file;
    this.#prefix = prefix;
  }

  /** The body of a new order, which is its name. */
  next(kind: 'keyed' | 'once'): string {
    this.#count += 1;
    return `${this.#prefix}-${kind}-${this.#count}`;
  }

  begun(body: string, op: string): void {
    this.#current.set(body, { op, done: [] });
  }

  /** A drill begins: what was begun before belongs to none. */
  leave(): void {
    for (const placed of this.#current.values()) placed.op = undefined;
  }

  /** A drill ends: what is begun from now on is another one's. */
  rotate(): void {
    this.#ending = this.#current;
    this.#current = new Map();
  }

  /** What the intranet has done of the drill that ends, all of whose requests have ended. */
  read(window: Window): Done[] {
    for (const { number, body, at, wall } of readOrders(this.#file, this.#seen)) {
      this.#seen = number;
      if (!body.startsWith(this.#prefix)) continue;
      const placed = this.#ending.get(body) ?? this.#current.get(body);
      if (placed) placed.done.push({ value: body, at, wall });
      else if (!this.#pending.delete(body))
        window.isWrong(`order ${body} appeared long after its request had been answered`);
    }
    const ending = [...this.#ending];
    for (const [body, { op, done }] of ending) {
      if (op === undefined && done.length > 1)
        window.isWrong(`order ${body} was placed ${done.length} times`);
      if (done.length === 0 && this.#pending.size < maxPending) this.#pending.add(body);
    }
    this.#ending = new Map();
    return ending.flatMap(([, { op, done }]) =>
      op === undefined ? [] : done.map((one): Done => ({ op, ...one })),
    );
  }
}
