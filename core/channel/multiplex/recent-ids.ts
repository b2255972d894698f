/** The last so many ids that were closed. Messages for them may still be under way. */
export class RecentIds {
  readonly #ids = new Set<number>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  add(id: number): void {
    this.#ids.add(id);
    if (this.#ids.size <= this.#capacity) return;
    // A Set keeps the order of insertion, so the first one is the oldest.
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      return;
    }
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }
}
