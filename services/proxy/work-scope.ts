/**
 * The life of one piece of work: it is given up, for a reason, or it ends. What an AbortSignal does, at a small part
 * of its cost, for what is made once a request.
 */
export class WorkScope {
  #givenUp: { readonly reason: unknown } | undefined;
  #stops: Set<() => void> | undefined;

  get givenUp(): boolean {
    return this.#givenUp !== undefined;
  }

  /** Why it was given up; undefined while it was not. */
  get reason(): unknown {
    return this.#givenUp?.reason;
  }

  /** The first reason counts: whatever is left of the work stops. */
  giveUp(reason: unknown): void {
    if (this.#givenUp !== undefined) return;
    this.#givenUp = { reason };
    const stops = this.#stops;
    this.#stops = undefined;
    for (const stop of stops ?? []) stop();
  }

  /** Calls `stop` when the work is given up, at once if it was; not any more after what this returns was called. */
  onGivenUp(stop: () => void): () => void {
    if (this.#givenUp !== undefined) {
      stop();
      return () => {};
    }
    this.#stops ??= new Set();
    this.#stops.add(stop);
    return () => this.#stops?.delete(stop);
  }

  /** @throws the reason */
  assertGoing(): void {
    if (this.#givenUp !== undefined) throw this.#givenUp.reason;
  }
}
