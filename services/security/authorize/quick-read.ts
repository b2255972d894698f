/**
 * Reads questions in the way in which encoders write them, at a tenth of what the general reader and the rules of the
 * contract cost. Whatever is out of the ordinary (an unknown or repeated field, text beyond ASCII, a rule that may be
 * broken) is left to those: undefined. A spec holds both against each other.
 */
import type {
  AuthorizeQuestion,
  AuthorizeRequest,
  AuthorizeStreamRequest,
  RequestFacts,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';

/** Lengths of proxy_authorize.proto, in bytes of ASCII: [least, most]. */
const limits = {
  sessionId: [40, 160],
  method: [1, 32],
  authority: [1, 255],
  path: [1, 8192],
  clientAddress: [0, 64],
} as const;
const maxQuestions = 256;

/** `field << 3 | wire type`, with wire type 2 for what has a length and 0 for a number. */
const lengthOf = (field: number): number => (field << 3) | 2;
const numberOf = (field: number): number => field << 3;

/** A place in a message. Gives -1, and stays there, for what it does not want to read. */
class Cursor {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A varint below 2^49. */
  number(end: number): number {
    let value = 0;
    let weight = 1;
    for (let n = 0; n < 7 && this.at < end; n++) {
      const byte = this.bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) return value;
      weight *= 128;
    }
    return -1;
  }

  /** The end of what has a length and begins here. */
  end(limit: number): number {
    const length = this.number(limit);
    const end = this.at + length;
    return length < 0 || end > limit ? -1 : end;
  }

  /** ASCII of an allowed length. `last` is what stood in this place of the last question, often the same. */
  text(limit: number, [least, most]: readonly [number, number], last = ''): string | undefined {
    const end = this.end(limit);
    const from = this.at;
    if (end < from + least || end > from + most) return undefined;
    this.at = end;
    if (last.length === end - from && this.#says(last, from)) return last;
    for (let at = from; at < end; at++) if ((this.bytes[at] ?? 0x80) >= 0x80) return undefined;
    return this.bytes.toString('latin1', from, end);
  }

  #says(text: string, from: number): boolean {
    for (let n = 0; n < text.length; n++) if (this.bytes[from + n] !== text.charCodeAt(n)) return false;
    return true;
  }
}

/** What the last question said: a proxy asks for few hosts, and from few places at a time. */
let last = { method: '', authority: '', clientAddress: '' };

export function quickAuthorizeRequest(bytes: Uint8Array): AuthorizeRequest | undefined {
  return authorizeRequest(new Cursor(bytes), bytes.length);
}

export function quickStreamRequest(bytes: Uint8Array): AuthorizeStreamRequest | undefined {
  const cursor = new Cursor(bytes);
  const questions: AuthorizeQuestion[] = [];
  while (cursor.at < bytes.length) {
    if (cursor.number(bytes.length) !== lengthOf(3)) return undefined;
    const end = cursor.end(bytes.length);
    const question = end < 0 ? undefined : authorizeQuestion(cursor, end);
    if (question === undefined || questions.push(question) > maxQuestions) return undefined;
  }
  return { $typeName: 'sallyport.authorize.v1.AuthorizeStreamRequest', id: 0n, questions };
}

function authorizeQuestion(cursor: Cursor, end: number): AuthorizeQuestion | undefined {
  if (cursor.number(end) !== numberOf(1)) return undefined;
  const id = cursor.number(end);
  if (id < 0 || cursor.number(end) !== lengthOf(2) || cursor.end(end) !== end) return undefined;
  const request = authorizeRequest(cursor, end);
  return request && { $typeName: 'sallyport.authorize.v1.AuthorizeQuestion', id: BigInt(id), request };
}

/** By session id, the one subject that is asked about all the time. */
function authorizeRequest(cursor: Cursor, end: number): AuthorizeRequest | undefined {
  if (cursor.number(end) !== lengthOf(1)) return undefined;
  const value = cursor.text(end, limits.sessionId);
  if (value === undefined || cursor.number(end) !== lengthOf(4) || cursor.end(end) !== end) return undefined;
  const request = requestFacts(cursor, end);
  return (
    request && {
      $typeName: 'sallyport.authorize.v1.AuthorizeRequest',
      subject: { case: 'sessionId', value },
      request,
      // Named, they come after what was read here.
      gateways: [],
      failedGateways: [],
    }
  );
}

function requestFacts(cursor: Cursor, end: number): RequestFacts | undefined {
  if (cursor.number(end) !== lengthOf(1)) return undefined;
  const method = cursor.text(end, limits.method, last.method);
  if (method === undefined || cursor.number(end) !== lengthOf(2)) return undefined;
  const authority = cursor.text(end, limits.authority, last.authority);
  if (authority === undefined || cursor.number(end) !== lengthOf(3)) return undefined;
  const path = cursor.text(end, limits.path);
  if (path === undefined) return undefined;
  let clientAddress: string | undefined = '';
  if (cursor.at < end) {
    if (cursor.number(end) !== lengthOf(4)) return undefined;
    clientAddress = cursor.text(end, limits.clientAddress, last.clientAddress);
    if (clientAddress === undefined || cursor.at !== end) return undefined;
  }
  if (method !== last.method || authority !== last.authority || clientAddress !== last.clientAddress) {
    last = { method, authority, clientAddress };
  }
  return { $typeName: 'sallyport.authorize.v1.RequestFacts', method, authority, path, clientAddress };
}
