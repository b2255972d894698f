import type { DescMessage } from '@bufbuild/protobuf';

/** Bytes that are written only when, and to where, they are sent. */
export interface LateBytes {
  readonly length: number;
  /** Writes all of them to the beginning of `into`, which has room. The same each time. */
  writeTo(into: Buffer): void;
}

/**
 * A response that stands in bytes already: for handlers that say the same again and again. The bytes are sent as
 * they are, so whoever makes one proves by a test that they are what the schema would make of the message.
 */
export class Encoded<S extends DescMessage> {
  readonly schema: S;
  readonly #bytes: Uint8Array | LateBytes;

  constructor(schema: S, bytes: Uint8Array | LateBytes) {
    this.schema = schema;
    this.#bytes = bytes;
  }

  get bytes(): Uint8Array {
    if (this.#bytes instanceof Uint8Array) return this.#bytes;
    const bytes = Buffer.allocUnsafe(this.#bytes.length);
    this.#bytes.writeTo(bytes);
    return bytes;
  }

  /** Where they are yet to be written. */
  get late(): LateBytes | undefined {
    return this.#bytes instanceof Uint8Array ? undefined : this.#bytes;
  }
}

/** Beyond this a message has memory of its own, so that one large message does not stay. Bytes. */
const maxShared = 256 * 1024;
let shared = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * For grpc-js's `serialize`, which copies at once what it is given: late bytes are written to memory that all
 * messages share. Memory of some 50 KiB for each message is what the garbage collector works on most.
 */
export function serialize(message: Buffer | Encoded<DescMessage>): Buffer {
  if (Buffer.isBuffer(message)) return message;
  const { late } = message;
  if (late === undefined || late.length > maxShared) return asBuffer(message.bytes);
  if (late.length > shared.length) shared = Buffer.allocUnsafeSlow(maxShared);
  late.writeTo(shared);
  return shared.subarray(0, late.length);
}

/** The same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
