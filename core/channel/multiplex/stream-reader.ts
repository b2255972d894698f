/**
 * Reads the messages of which a stream has many, as any protobuf library writes them. Whatever looks otherwise
 * (fields in another order or unknown, text beyond ASCII, resets) is left to protobuf-es, which knows all of it.
 */
import type { Header, StreamMessage } from './messages.ts';

/** The message in `bytes[start, end)`; undefined when it has to be left to protobuf-es. */
export function readMessage(bytes: Uint8Array, start: number, end: number): StreamMessage | undefined {
  const cursor = new Cursor(bytes, start, end);
  const requestId = cursor.skipTag(0x08) ? cursor.varint() : 0;
  const message = readKind(cursor, requestId);
  return cursor.odd || cursor.more ? undefined : message;
}

/** Where the messages of a batch begin and end, in turn; undefined when it has to be left to protobuf-es. */
export function readBatch(bytes: Uint8Array): number[] | undefined {
  const cursor = new Cursor(bytes, 0, bytes.length);
  if (!cursor.skipTag(0x42) || cursor.delimited() !== bytes.length) return undefined;
  const places: number[] = [];
  while (cursor.more) {
    if (!cursor.skipTag(0x0a)) return undefined;
    const end = cursor.delimited();
    places.push(cursor.at, end);
    cursor.at = end;
  }
  return cursor.odd ? undefined : places;
}

function readKind(cursor: Cursor, requestId: number): StreamMessage | undefined {
  if (cursor.skipTag(0x22)) return { requestId, kind: 'data', data: cursor.piece() };
  if (cursor.skipTag(0x28)) return cursor.varint() === 1 ? { requestId, kind: 'end' } : undefined;
  if (cursor.skipTag(0x38)) return { requestId, kind: 'credit', credit: cursor.varint() };
  if (cursor.skipTag(0x12)) {
    const outer = cursor.enter();
    const method = cursor.skipTag(0x0a) ? cursor.text() : '';
    const authority = cursor.skipTag(0x12) ? cursor.text() : '';
    const path = cursor.skipTag(0x1a) ? cursor.text() : '';
    const head = { method, authority, path, headers: readHeaders(cursor, 0x22) };
    cursor.leave(outer);
    return { requestId, kind: 'requestHead', head };
  }
  if (cursor.skipTag(0x1a)) {
    const outer = cursor.enter();
    const status = cursor.skipTag(0x08) ? cursor.varint() : 0;
    const head = { status, headers: readHeaders(cursor, 0x12) };
    cursor.leave(outer);
    return { requestId, kind: 'responseHead', head };
  }
  return undefined;
}

function readHeaders(cursor: Cursor, tag: number): Header[] {
  const headers: Header[] = [];
  while (cursor.skipTag(tag)) {
    const outer = cursor.enter();
    const name = cursor.skipTag(0x0a) ? cursor.text() : '';
    const value = cursor.skipTag(0x12) ? cursor.text() : '';
    headers.push({ name, value });
    cursor.leave(outer);
  }
  return headers;
}

/** Engines pass so many arguments without complaint. */
const maxText = 8192;

/** A place in a message. What it does not expect makes it `odd`, and all that it says worthless. */
class Cursor {
  at: number;
  odd = false;
  readonly #bytes: Uint8Array;
  #end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  get more(): boolean {
    return this.at < this.#end && !this.odd;
  }

  /** Passes this tag, if it comes next. */
  skipTag(tag: number): boolean {
    if (!this.more || this.#bytes[this.at] !== tag) return false;
    this.at++;
    return true;
  }

  /** A u32. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35 && this.at < this.#end; shift += 7) {
      const byte = this.#bytes[this.at++] ?? 0;
      // The fifth byte holds the last four of 32 bits.
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    this.odd = true;
    return 0;
  }

  /** Reads a length, and gives the place where that many bytes from here end. */
  delimited(): number {
    const end = this.varint() + this.at;
    if (end <= this.#end) return end;
    this.odd = true;
    return this.at;
  }

  /** Reads a length: what lies within it is all there is, until `leave` gets back what this returns. */
  enter(): number {
    const outer = this.#end;
    this.#end = this.delimited();
    return outer;
  }

  leave(outer: number): void {
    if (this.at !== this.#end) this.odd = true;
    this.#end = outer;
  }

  /** A view. */
  piece(): Uint8Array {
    const end = this.delimited();
    const piece = this.#bytes.subarray(this.at, end);
    this.at = end;
    return piece;
  }

  text(): string {
    const piece = this.piece();
    if (piece.length > maxText) this.odd = true;
    for (const byte of piece) if (byte > 0x7f) this.odd = true;
    if (this.odd) return '';
    return String.fromCharCode.apply(null, piece as unknown as number[]);
  }
}
