import { SallyportError } from '#core/errors/error.ts';
import type { Attachment } from './attachment.ts';
import type { CleanRequest } from './request-head.ts';

/** A body that comes in pieces, or may have come already. */
export interface BodyInPieces extends AsyncIterable<Uint8Array> {
  /** All of it that is unread, once its end has come; else undefined, and nothing is taken. */
  takeRest?(): Uint8Array | undefined;
}

type Body = AsyncIterable<Uint8Array> | Uint8Array;

/** Methods whose requests mostly have no body. */
const mostlyBodiless = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS']);

/** Bytes that are waited for: to pass so few on as they come costs more than all the rest of the body. */
const wholeUpTo = 16_384;

/**
 * The body for the backend, bounded by `limit` bytes and taken only while the attachment has its right
 * (invariant I4); undefined when there is none.
 * @throws TOO_LARGE, REQUEST_INVALID; what the body throws when it has to be looked into
 */
export async function requestBody(
  { method, headers }: CleanRequest,
  given: BodyInPieces | Uint8Array,
  { attachment, limit }: { attachment: Attachment; limit: number },
): Promise<Body | undefined> {
  const announced = headers['content-length'] === undefined ? undefined : Number(headers['content-length']);
  if (announced !== undefined && announced > limit) throw tooLarge(limit);
  const body = given instanceof Uint8Array ? given : (given.takeRest?.() ?? given);
  if (body instanceof Uint8Array) {
    if (body.length > limit) throw tooLarge(limit);
    if (announced !== undefined && announced !== body.length) throw wrongLength();
    return body.length === 0 ? undefined : body;
  }
  if (announced === 0) return undefined;
  const pieces = body[Symbol.asyncIterator]();
  if (announced !== undefined && announced <= wholeUpTo) return whole(pieces, announced, attachment);
  if (announced !== undefined || !mostlyBodiless.has(method))
    return bounded(undefined, pieces, attachment, limit);
  // An empty body here would become a chunked one, which some servers refuse with these methods.
  const first = await pieces.next();
  return first.done ? undefined : bounded(first.value, pieces, attachment, limit);
}

async function whole(
  pieces: AsyncIterator<Uint8Array>,
  announced: number,
  attachment: Attachment,
): Promise<Uint8Array> {
  const body = new Uint8Array(announced);
  let length = 0;
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    attachment.assertLive();
    if (length + next.value.length > announced) throw wrongLength();
    body.set(next.value, length);
    length += next.value.length;
  }
  if (length < announced) throw wrongLength();
  return body;
}

/**
 * Never calls the iterator's `return`: a backend that answers before it has read everything ends this
 * generator, which must not give the device's request up before the answer is through.
 */
async function* bounded(
  first: Uint8Array | undefined,
  pieces: AsyncIterator<Uint8Array>,
  attachment: Attachment,
  limit: number,
): AsyncGenerator<Uint8Array> {
  let length = 0;
  for (let chunk = first; ; ) {
    if (chunk !== undefined) {
      length += chunk.length;
      if (length > limit) throw tooLarge(limit);
      attachment.assertLive();
      yield chunk;
    }
    const next = await pieces.next();
    if (next.done) return;
    chunk = next.value;
  }
}

function wrongLength(): SallyportError {
  return new SallyportError('REQUEST_INVALID', { message: 'content-length is not that of the body' });
}

function tooLarge(limit: number): SallyportError {
  return new SallyportError('TOO_LARGE', {
    message: `the body is longer than the ${limit} bytes that this resource takes`,
    hint: 'send less',
  });
}
