import { type GtidSet, includes, parseGtidSet } from '../gtid.ts';

/** What the primary had executed when it was asked; `askedAt` on the monotonic scale, in milliseconds. */
export interface PrimaryWord {
  readonly askedAt: number;
  readonly gtidExecuted: string;
}

/** Words that are kept; of more every other one is dropped, so that a long lag is told less finely. */
const maxWords = 600;

/**
 * How far a replica is behind: the age of the latest word of the primary of which it has everything. What was committed
 * within that time may be lost with the primary. It grows, too, while no primary can be asked. An agent's word is up to
 * half a second older than the question.
 */
export class Lag {
  #words: { readonly askedAt: number; readonly text: string; readonly set: GtidSet }[] = [];
  #caughtUpAt: number | undefined;

  note(primary: PrimaryWord | undefined, executed: string): void {
    const last = this.#words.at(-1);
    if (primary !== undefined && primary.askedAt > (last?.askedAt ?? Number.NEGATIVE_INFINITY)) {
      const text = primary.gtidExecuted;
      const set = last?.text === text ? last.set : parseGtidSet(text);
      // An empty word is of a node that was never in a group: it says nothing about what is to be had.
      if (text !== '') this.#words.push({ askedAt: primary.askedAt, text, set });
    }
    if (this.#words.length === 0) return;
    const mine = parseGtidSet(executed);
    const had = this.#words.findLastIndex(({ set }) => includes(mine, set));
    if (had >= 0) {
      this.#caughtUpAt = this.#words[had]?.askedAt;
      this.#words = this.#words.slice(had + 1);
    }
    if (this.#words.length > maxWords) this.#words = this.#words.filter((_, at) => at % 2 === 1);
  }

  /** Milliseconds; undefined until it has caught up once. */
  at(now: number): number | undefined {
    return this.#caughtUpAt === undefined ? undefined : Math.max(0, Math.round(now - this.#caughtUpAt));
  }
}
