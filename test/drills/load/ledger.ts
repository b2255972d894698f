import { readOrders } from '#compose/demo/intranet/orders.ts';
import type { Window } from './window.ts';

interface Placed {
  acknowledged: boolean;
  /** How often the intranet has it. */
  times: number;
}

/** Orders of earlier drills that ended without an answer, and may still come; as many are remembered. */
const maxPending = 10_000;

/** Orders that the devices have placed, to be compared with those that the intranet has. */
export class Ledger {
  readonly #file: string;
  readonly #prefix: string;
  /** Of the drill that goes on, and of the one that ends. */
  #current = new Map<string, Placed>();
  #ending = new Map<string, Placed>();
  readonly #pending = new Map<string, Placed>();
  #count = 0;
  /** Orders up to this number have been read. */
  #seen = 0;

  /** `prefix` tells this run's orders from those of others. */
  constructor(file: string, prefix: string) {
    this.#file = file;
    this.#prefix = prefix;
  }

  /** The body of a new order, which is its name. */
  begin(kind: 'keyed' | 'once'): string {
    this.#count += 1;
    const body = `${this.#prefix}-${kind}-${this.#count}`;
    this.#current.set(body, { acknowledged: false, times: 0 });
    return body;
  }

  acknowledged(body: string): void {
    const placed = this.#current.get(body) ?? this.#ending.get(body);
    if (placed) placed.acknowledged = true;
  }

  /** A drill ends: what is begun from now on is another one's. */
  rotate(): void {
    this.#ending = this.#current;
    this.#current = new Map();
  }

  /** Says what is lost or was done twice of the drill that ends, all of whose requests have ended. */
  check(window: Window): void {
    for (const { number, body } of readOrders(this.#file, this.#seen)) {
      this.#seen = number;
      if (!body.startsWith(this.#prefix)) continue;
      const placed = this.#ending.get(body) ?? this.#current.get(body) ?? this.#pending.get(body);
      if (placed) placed.times += 1;
      else window.isWrong(`order ${body} appeared long after its request had been answered`);
    }
    for (const [body, placed] of [...this.#ending, ...this.#pending]) {
      if (placed.acknowledged && placed.times === 0) window.isLost(`order ${body} was acknowledged`);
      if (placed.times > 1) window.isWrong(`order ${body} was placed ${placed.times} times`);
      if (placed.acknowledged || placed.times > 0) this.#pending.delete(body);
      else if (this.#pending.size < maxPending) this.#pending.set(body, placed);
    }
    this.#ending = new Map();
  }
}
