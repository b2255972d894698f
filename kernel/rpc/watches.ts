/** Keeps one watch for each security pod, as they come and go. */
export class Watches {
  readonly #watch: (pod: string, stop: AbortSignal) => Promise<void>;
  readonly #stop: AbortSignal;
  readonly #pods = new Map<string, AbortController>();
  #running: Promise<unknown> = Promise.resolve();

  /** @param watch goes on until its signal; never rejects */
  constructor(watch: (pod: string, stop: AbortSignal) => Promise<void>, stop: AbortSignal) {
    this.#watch = watch;
    this.#stop = stop;
  }

  setPods(pods: readonly string[]): void {
    for (const [pod, watching] of this.#pods) {
      if (pods.includes(pod)) continue;
      this.#pods.delete(pod);
      watching.abort();
    }
    for (const pod of pods) {
      if (this.#pods.has(pod)) continue;
      const watching = new AbortController();
      this.#pods.set(pod, watching);
      const watch = this.#watch(pod, AbortSignal.any([this.#stop, watching.signal]));
      this.#running = Promise.all([this.#running, watch]);
    }
  }

  /** Resolves when all that were begun have ended. */
  async ended(): Promise<void> {
    await this.#running;
  }
}
