import type { IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2';
import { fromBinary } from '@bufbuild/protobuf';
import { errorDomain, fromWire } from '#core/errors/from-wire.ts';
import { Status, type StatusName } from '#core/errors/status.ts';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { StatusSchema } from '#gen/google/rpc/status_pb.js';

/** An HTTP answer as it came. */
export interface Collected {
  readonly headers: IncomingHttpHeaders & IncomingHttpStatusHeader;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** HTTP/2 code by which the stream ended; 0 for an orderly end. */
  readonly reset: number;
}

/** What came back, in whichever protocol. */
export interface Answer {
  readonly httpStatus: number | undefined;
  /** Canonical code; undefined: this is no answer of an RPC. */
  readonly code: StatusName | 'OK' | undefined;
  /** Of an ErrorInfo of our domain; undefined: something on the way has answered. */
  readonly reason: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;
  readonly text: string;
  /** Messages of a gRPC answer, without their prefixes. */
  readonly messages: readonly Uint8Array[];
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Told {
  readonly code: number;
  readonly text: string;
  readonly details: readonly { readonly type: string; readonly value: Uint8Array }[];
}

export function readAnswer({ headers, trailers, body }: Collected): Answer {
  const type = String(headers['content-type'] ?? '');
  const told = type.startsWith('application/grpc-web')
    ? webStatus(headers, body)
    : type.startsWith('application/grpc')
      ? grpcStatus({ ...headers, ...trailers })
      : connectStatus(Number(headers[':status']), type, body);
  const info = told?.details.find(({ type }) => type === ErrorInfoSchema.typeName);
  const read = info && fromBinary(ErrorInfoSchema, info.value);
  const ours = read?.domain === errorDomain ? read : undefined;
  return {
    httpStatus: headers[':status'] === undefined ? undefined : Number(headers[':status']),
    code: told && nameOf(told.code),
    reason: ours?.reason,
    metadata: ours?.metadata ?? {},
    retryAfterMs:
      told && fromWire({ code: told.code, message: told.text, details: told.details }).retryAfterMs,
    text: told?.text ?? body.toString('latin1').slice(0, 1000),
    messages: type.startsWith('application/grpc') ? messagesOf(body) : [],
    headers,
    body,
  };
}

const nameOf = (code: number): StatusName | 'OK' | undefined => {
  if (code === 0) return 'OK';
  return (Object.keys(Status) as StatusName[]).find((name) => Status[name] === code);
};

function grpcStatus(fields: IncomingHttpHeaders): Told | undefined {
  const status = fields['grpc-status'];
  if (typeof status !== 'string') return undefined;
  const bytes = fields['grpc-status-details-bin'];
  const details =
    typeof bytes === 'string'
      ? fromBinary(StatusSchema, Uint8Array.from(Buffer.from(bytes, 'base64'))).details
      : [];
  return {
    code: Number(status),
    text: decodeURIComponent(String(fields['grpc-message'] ?? '')),
    details: details.map(({ typeUrl, value }) => ({ type: typeUrl.split('/').at(-1) ?? '', value })),
  };
}

/** In gRPC-Web the trailers are the last message, flagged 0x80; an error without a body has them as headers. */
function webStatus(headers: IncomingHttpHeaders, body: Buffer): Told | undefined {
  const last = splitMessages(body).find(({ flag }) => (flag & 0x80) !== 0);
  if (last === undefined) return grpcStatus(headers);
  const lines = Buffer.from(last.message).toString('latin1').split('\r\n');
  const fields = lines.flatMap((line): [string, string][] => {
    const colon = line.indexOf(':');
    return colon < 0 ? [] : [[line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]];
  });
  return grpcStatus(Object.fromEntries(fields));
}

const connectCodes = new Map<string, number>(
  Object.entries(Status).map(([name, code]) => [name.toLowerCase().replace('cancelled', 'canceled'), code]),
);

function connectStatus(httpStatus: number, type: string, body: Buffer): Told | undefined {
  if (httpStatus === 200) return { code: 0, text: '', details: [] };
  if (!type.startsWith('application/json')) return undefined;
  const { code, message, details } = JSON.parse(body.toString('utf8')) as {
    code?: string;
    message?: string;
    details?: { type: string; value: string }[];
  };
  const number = connectCodes.get(code ?? '');
  if (number === undefined) return undefined;
  return {
    code: number,
    text: message ?? '',
    details: (details ?? []).map(({ type, value }) => ({
      type,
      value: Uint8Array.from(Buffer.from(value, 'base64')),
    })),
  };
}

function splitMessages(body: Buffer): { flag: number; message: Uint8Array }[] {
  const found: { flag: number; message: Uint8Array }[] = [];
  for (let at = 0; at + 5 <= body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    found.push({ flag: body.readUInt8(at), message: Uint8Array.from(body.subarray(at + 5, end)) });
    at = end;
  }
  return found;
}

const messagesOf = (body: Buffer): Uint8Array[] =>
  splitMessages(body)
    .filter(({ flag }) => (flag & 0x80) === 0)
    .map(({ message }) => message);
