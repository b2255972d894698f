/** Reads a piece of a package from wherever it is kept. */
export type ReadPiece = (digest: Uint8Array, index: number) => Promise<Uint8Array>;

/**
 * Pieces of packages that were asked for lately. Many devices ask for the same release at once: each of its pieces is
 * read once, and while it is being read the others wait for it. Memory is bounded, however many there are.
 */
export class PieceCache {
  readonly #read: ReadPiece;
  readonly #maxBytes: number;
  /** The longest unused first. */
  readonly #held = new Map<string, Uint8Array>();
  readonly #underWay = new Map<string, Promise<Uint8Array>>();
  #bytes = 0;

  constructor(read: ReadPiece, maxBytes: number) {
    this.#read = read;
    this.#maxBytes = maxBytes;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What is given is shared: it is not to be written to. Fails as the read does, and is read again the next time. */
  get(digest: Uint8Array, index: number): Promise<Uint8Array> {
    const key = `${Buffer.from(digest).toString('base64')} ${index}`;
    const held = this.#held.get(key);
    if (held !== undefined) {
      this.#held.delete(key);
      this.#held.set(key, held);
      return Promise.resolve(held);
    }
    const asked = this.#underWay.get(key);
    if (asked !== undefined) return asked;
    const reading = this.#read(digest, index)
      .then((piece) => {
        this.#keep(key, piece);
        return piece;
      })
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, reading);
    return reading;
  }

  #keep(key: string, piece: Uint8Array): void {
    this.#held.set(key, piece);
    this.#bytes += piece.length;
    for (const [oldest, { length }] of this.#held) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#held.delete(oldest);
      this.#bytes -= length;
    }
  }
}
