import type { DescMessage } from '@bufbuild/protobuf';

/**
 * A response that stands in bytes already: for handlers that say the same again and again. The bytes are sent as
 * they are, so whoever makes one proves by a test that they are what the schema would make of the message.
 */
export class Encoded<S extends DescMessage> {
  readonly schema: S;
  readonly bytes: Uint8Array;

  constructor(schema: S, bytes: Uint8Array) {
    this.schema = schema;
    this.bytes = bytes;
  }
}
