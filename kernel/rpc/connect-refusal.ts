import { ConnectError } from '@connectrpc/connect';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { codeToHttpStatus, errorFromJsonBytes, errorToJsonBytes } from '@connectrpc/connect/protocol-connect';
import { findTrailerError, setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import { SallyportError } from '#core/errors/error.ts';
import { fromWire } from '#core/errors/from-wire.ts';
import type { ErrorPlace } from '#kernel/errors/to-wire.ts';
import { toConnectError } from './connect-call.ts';

/** What Connect itself found wrong with a request, by our reasons: it calls unreadable bytes `internal`. */
export function fromConnectRefusal(error: ConnectError): SallyportError {
  const { code, rawMessage: message } = error;
  return /^parse binary/.test(message)
    ? new SallyportError('MALFORMED', { cause: error })
    : fromWire({ code, message, details: [], cause: error });
}

/**
 * Connect answers requests that it cannot read before any code of ours runs. This puts reason and hint into
 * those answers, for Connect's unary and for gRPC; in gRPC-Web, where they are part of the body, a caller
 * has to do with the code.
 */
export async function explainRefusal(
  response: UniversalServerResponse,
  place: ErrorPlace,
): Promise<UniversalServerResponse> {
  const { body, trailer, header, status } = response;
  if (body && trailer?.has('grpc-status')) return { ...response, body: explainTrailer(body, trailer, place) };
  if (!body || status < 400 || header?.get('content-type') !== 'application/json') return response;
  const bytes = await new Response(ReadableStream.from(body)).bytes();
  const told = errorFromJsonBytes(bytes, undefined, new ConnectError('unreadable'));
  return told.details.length > 0
    ? { ...response, body: ReadableStream.from([bytes]) }
    : refusal(toConnectError(fromConnectRefusal(told), place));
}

async function* explainTrailer(body: AsyncIterable<Uint8Array>, trailer: Headers, place: ErrorPlace) {
  yield* body;
  const told = findTrailerError(trailer);
  if (told?.details.length === 0) setTrailerStatus(trailer, toConnectError(fromConnectRefusal(told), place));
}

/** A whole answer to a call that reaches no handler, in the protocol that its content type names. */
export function refuse(
  error: SallyportError,
  contentType: string,
  place: ErrorPlace,
): UniversalServerResponse {
  const told = toConnectError(error, place);
  if (!contentType.startsWith('application/grpc')) return refusal(told);
  // "Trailers-only": a response without a body has its status among the headers.
  const header = setTrailerStatus(new Headers({ 'content-type': contentType }), told);
  return { status: 200, header };
}

function refusal(error: ConnectError): UniversalServerResponse {
  const bytes = errorToJsonBytes(error, undefined);
  const header = new Headers({ 'content-type': 'application/json', 'content-length': `${bytes.byteLength}` });
  return { status: codeToHttpStatus(error.code), header, body: ReadableStream.from([bytes]) };
}
