/** Where secrets are looked for: any number of them, in every form that a log or a dump may give them, in one pass. */

export interface Found {
  /** Name of the secret; never its value. */
  readonly secret: string;
  readonly form: string;
}

interface Needle extends Found {
  readonly bytes: Buffer;
}

/** Shorter ones would be met by chance. */
const leastBytes = 8;
/** Of a key so much is looked for: whoever cuts it still tells most of it. */
const mostBytes = 24;

/** Longer files are data, which nobody has laid out for people. */
const mostOfText = 8 * 2 ** 20;

export class Needles {
  /** By their first four bytes. */
  readonly #byStart = new Map<number, Needle[]>();
  /** Whether a needle may start so, by a hash of the first four bytes: files are long, and text starts like other text. */
  readonly #starts = new Uint8Array(65_536);
  readonly #names = new Set<string>();

  /** Names of what is looked for. */
  get names(): readonly string[] {
    return [...this.#names];
  }

  /** A password, a token, an activation string. */
  addText(secret: string, text: string): void {
    this.#add(secret, 'text', Buffer.from(text));
    this.#add(secret, 'JSON in JSON', Buffer.from(JSON.stringify(text).slice(1, -1)));
    this.#addEncoded(secret, Buffer.from(text));
  }

  /** A key. */
  addKey(secret: string, key: Uint8Array): void {
    const part = Buffer.from(key).subarray(0, mostBytes);
    this.#add(secret, 'raw', part);
    this.#addEncoded(secret, part);
    const numbers = [...part.subarray(0, 8)];
    // As JSON.stringify and console.log write Uint8Array and Buffer.
    this.#add(secret, 'numbers', Buffer.from(numbers.join(',')));
    this.#add(secret, 'numbers', Buffer.from(numbers.map((byte, at) => `"${at}":${byte}`).join(',')));
    this.#add(secret, 'hex with colons', Buffer.from(numbers.map(hex).join(':')));
  }

  /** Secrets that occur, each form once; in what is no data file also those that are spread over lines or columns. */
  in(bytes: Uint8Array): Found[] {
    const found = new Map<string, Found>();
    this.#look(bytes, found);
    if (bytes.length < mostOfText) this.#look(withoutBlanks(bytes), found);
    return [...found.values()];
  }

  #look(bytes: Uint8Array, found: Map<string, Found>): void {
    const starts = this.#starts;
    let start = 0;
    for (let end = 0; end < bytes.length; end++) {
      start = (start << 8) | (bytes[end] ?? 0);
      if (starts[hashOf(start)] === 0) continue;
      for (const { secret, form, bytes: wanted } of this.#byStart.get(start) ?? [])
        if (startsWith(bytes, end - 3, wanted)) found.set(`${secret}, ${form}`, { secret, form });
    }
  }

  #addEncoded(secret: string, bytes: Buffer): void {
    this.#add(secret, 'hex', Buffer.from(bytes.toString('hex')));
    this.#add(secret, 'hex', Buffer.from(bytes.toString('hex').toUpperCase()));
    // Alone, or in the middle of something longer, where it may begin at any of three letters.
    for (const before of [0, 1, 2]) {
      const text = Buffer.concat([Buffer.alloc(before), bytes])
        .toString('base64')
        .replace(/=+$/, '');
      const inside = text.slice(before === 0 ? 0 : before + 1, -1);
      this.#add(secret, 'base64', Buffer.from(inside));
      this.#add(secret, 'base64url', Buffer.from(inside.replaceAll('+', '-').replaceAll('/', '_')));
    }
  }

  #add(secret: string, form: string, bytes: Buffer): void {
    if (bytes.length < leastBytes) throw new Error(`${secret} is too short to be looked for`);
    this.#names.add(secret);
    const start = bytes.readInt32BE(0);
    this.#starts[hashOf(start)] = 1;
    const others = this.#byStart.get(start) ?? [];
    this.#byStart.set(start, [...others, { secret, form, bytes }]);
  }
}

const isBlank = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);

function withoutBlanks(bytes: Uint8Array): Uint8Array {
  const others = new Uint8Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (!isBlank(byte)) others[length++] = byte;
  }
  return others.subarray(0, length);
}

/** Multiplicative (Knuth, The Art of Computer Programming 6.4): the upper 16 bits. */
const hashOf = (start: number): number => Math.imul(start, 0x9e37_79b1) >>> 16;

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

function startsWith(bytes: Uint8Array, at: number, wanted: Buffer): boolean {
  if (at < 0 || at + wanted.length > bytes.length) return false;
  for (let n = 0; n < wanted.length; n++) if (bytes[at + n] !== wanted[n]) return false;
  return true;
}
