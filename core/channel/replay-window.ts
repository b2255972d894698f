import { replayWindowSize } from './constants.ts';

/** One word more than the window has, so that the word of the highest number may be part full (RFC 6479). */
const words = replayWindowSize / 32 + 1;

/**
 * Which of the last 4,096 sequence numbers have been taken. Two steps, since only an authentic
 * frame may move the window: `look` before opening a frame, `take` after.
 */
export class ReplayWindow {
  readonly #bits = new Uint32Array(words);
  #highest = -1;

  /** `fresh` may be taken; `taken` was; `old` is so far behind that nobody knows. */
  look(sequence: number): 'fresh' | 'taken' | 'old' {
    if (sequence > this.#highest) return 'fresh';
    if (sequence <= this.#highest - replayWindowSize) return 'old';
    return (this.#word(sequence) & (1 << (sequence % 32))) === 0 ? 'fresh' : 'taken';
  }

  /** Marks a number as taken, moving the window when it is a new highest. Only for `fresh` ones. */
  take(sequence: number): void {
    if (sequence > this.#highest) {
      const from = Math.floor(this.#highest / 32);
      const to = Math.floor(sequence / 32);
      if (to - from >= words) this.#bits.fill(0);
      else for (let word = from + 1; word <= to; word++) this.#bits[word % words] = 0;
      this.#highest = sequence;
    }
    this.#bits[Math.floor(sequence / 32) % words] = this.#word(sequence) | (1 << (sequence % 32));
  }

  #word(sequence: number): number {
    return this.#bits[Math.floor(sequence / 32) % words] ?? 0;
  }
}
