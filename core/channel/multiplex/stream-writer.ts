/**
 * Writes the messages of which a stream has many without protobuf-es, whose objects cost more than their bytes.
 * The bytes are the same (stream-codec.spec.ts). What is rare, and text beyond ASCII, is left to protobuf-es.
 */
import type { Header, StreamMessage } from './messages.ts';

/** Length of the message in bytes; undefined for one that has to be left to protobuf-es. */
export function lengthOf(message: StreamMessage): number | undefined {
  const kind = lengthOfKind(message);
  if (kind === undefined) return undefined;
  return kind + (message.requestId === 0 ? 0 : 1 + varintLength(message.requestId));
}

/** Writes a message that has a length, and returns where it ends. There must be room for it. */
export function writeMessage(bytes: Uint8Array, start: number, message: StreamMessage): number {
  let at = start;
  if (message.requestId !== 0) at = writeVarint(bytes, tag(bytes, at, 1, varint), message.requestId);
  switch (message.kind) {
    case 'requestHead': {
      const { head } = message;
      at = writeVarint(bytes, tag(bytes, at, 2, delimited), requestHeadLength(head) ?? 0);
      at = writeText(bytes, at, 1, head.method);
      at = writeText(bytes, at, 2, head.authority);
      at = writeText(bytes, at, 3, head.path);
      return writeHeaders(bytes, at, 4, head.headers);
    }
    case 'responseHead': {
      const { head } = message;
      at = writeVarint(bytes, tag(bytes, at, 3, delimited), responseHeadLength(head) ?? 0);
      return writeResponseHead(bytes, at, head);
    }
    case 'data':
      at = writeVarint(bytes, tag(bytes, at, 4, delimited), message.data.length);
      bytes.set(message.data, at);
      return at + message.data.length;
    case 'end':
      return writeVarint(bytes, tag(bytes, at, 5, varint), 1);
    case 'credit':
      return writeVarint(bytes, tag(bytes, at, 7, varint), message.credit);
    case 'reset':
      throw new RangeError('a reset has no length here');
  }
}

/**
 * `ExchangeResponseBody` of a response whose body lies in pieces, which are copied once; undefined for a head that
 * has to be left to protobuf-es.
 */
export function exchangeResponse(head: ResponseHead, pieces: readonly Uint8Array[]): Uint8Array | undefined {
  const headLength = responseHeadLength(head);
  if (headLength === undefined) return undefined;
  let bodyLength = 0;
  for (const piece of pieces) bodyLength += piece.length;
  const body = bodyLength === 0 ? 0 : 1 + varintLength(bodyLength) + bodyLength;
  const bytes = new Uint8Array(1 + varintLength(headLength) + headLength + body);
  let at = writeResponseHead(bytes, writeVarint(bytes, tag(bytes, 0, 1, delimited), headLength), head);
  if (bodyLength === 0) return bytes;
  at = writeVarint(bytes, tag(bytes, at, 2, delimited), bodyLength);
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Bytes that a u32, or a length, takes. */
export function varintLength(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

/** Writes a u32 in as few bytes as it takes, and returns where it ends. */
export function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let left = value;
  while (left >= 0x80) {
    bytes[at++] = (left & 0x7f) | 0x80;
    left >>>= 7;
  }
  bytes[at++] = left;
  return at;
}

const varint = 0;
const delimited = 2;

function tag(bytes: Uint8Array, at: number, field: number, wireType: number): number {
  bytes[at] = (field << 3) | wireType;
  return at + 1;
}

function lengthOfKind(message: StreamMessage): number | undefined {
  switch (message.kind) {
    case 'requestHead':
      return delimitedLength(requestHeadLength(message.head));
    case 'responseHead':
      return delimitedLength(responseHeadLength(message.head));
    case 'data':
      return delimitedLength(message.data.length);
    case 'end':
      return 2;
    case 'credit':
      return 1 + varintLength(message.credit);
    case 'reset':
      return undefined;
  }
}

function delimitedLength(length: number | undefined): number | undefined {
  return length === undefined ? undefined : 1 + varintLength(length) + length;
}

type Heads = Extract<StreamMessage, { head: unknown }>;
type RequestHead = Extract<Heads, { kind: 'requestHead' }>['head'];
type ResponseHead = Extract<Heads, { kind: 'responseHead' }>['head'];

function requestHeadLength({ method, authority, path, headers }: RequestHead): number | undefined {
  const fields = headersLength(headers);
  if (fields === undefined || !isAscii(method) || !isAscii(authority) || !isAscii(path)) return undefined;
  return fields + textLength(method) + textLength(authority) + textLength(path);
}

function responseHeadLength({ status, headers }: ResponseHead): number | undefined {
  const fields = headersLength(headers);
  return fields === undefined ? undefined : fields + (status === 0 ? 0 : 1 + varintLength(status));
}

function writeResponseHead(bytes: Uint8Array, start: number, { status, headers }: ResponseHead): number {
  const at = status === 0 ? start : writeVarint(bytes, tag(bytes, start, 1, varint), status);
  return writeHeaders(bytes, at, 2, headers);
}

function headersLength(headers: readonly Header[]): number | undefined {
  let length = 0;
  for (const { name, value } of headers) {
    if (!isAscii(name) || !isAscii(value)) return undefined;
    const field = textLength(name) + textLength(value);
    length += 1 + varintLength(field) + field;
  }
  return length;
}

function writeHeaders(bytes: Uint8Array, start: number, field: number, headers: readonly Header[]): number {
  let at = start;
  for (const { name, value } of headers) {
    at = writeVarint(bytes, tag(bytes, at, field, delimited), textLength(name) + textLength(value));
    at = writeText(bytes, writeText(bytes, at, 1, name), 2, value);
  }
  return at;
}

/** With its tag; an empty text is not written. */
function textLength(text: string): number {
  return text === '' ? 0 : 1 + varintLength(text.length) + text.length;
}

function writeText(bytes: Uint8Array, start: number, field: number, text: string): number {
  if (text === '') return start;
  let at = writeVarint(bytes, tag(bytes, start, field, delimited), text.length);
  for (let n = 0; n < text.length; n++) bytes[at++] = text.charCodeAt(n);
  return at;
}

function isAscii(text: string): boolean {
  for (let n = 0; n < text.length; n++) if (text.charCodeAt(n) > 0x7f) return false;
  return true;
}
