import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Status } from '#core/errors/status.ts';
import { RetryInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { StatusSchema } from '#gen/google/rpc/status_pb.js';
import { defaultRetryMs, retryInfo } from '#kernel/errors/to-wire.ts';
import { localReplyHeader, unprocessedHeader } from '../model/headers.ts';
import { type JsonObject, setHeader } from '../model/json.ts';

/**
 * What Envoy answers itself, when a call got no answer of a process. The first mapper that fits counts. Of gRPC such
 * an answer is trailers only, so what is added to its headers arrives as trailers
 * (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/local_reply).
 */

const status = (code: number, op: 'EQ' | 'GE' = 'EQ'): JsonObject => ({
  status_code_filter: {
    comparison: { op, value: { default_value: code, runtime_key: `sallyport.local_reply.${code}` } },
  },
});
const flags = (...flags: string[]): JsonObject => ({ response_flag_filter: { flags } });
const all = (...filters: JsonObject[]): JsonObject => ({ and_filter: { filters } });
const any = (...filters: JsonObject[]): JsonObject => ({ or_filter: { filters } });

const contentType = (prefix: string): JsonObject => ({ name: 'content-type', string_match: { prefix } });
const overGrpc: JsonObject = { header_filter: { header: contentType('application/grpc') } };
const overGrpcWeb: JsonObject = { header_filter: { header: contentType('application/grpc-web') } };
const notOverGrpc: JsonObject = {
  header_filter: { header: { ...contentType('application/grpc'), invert_match: true } },
};

/** Where an edge notes the content-type with which a call came (filter-order.ts), before it is translated into gRPC. */
export const cameAs = { metadata_namespace: 'sallyport', key: 'content_type', type: 'STRING' } as const;
const came = (value: JsonObject): JsonObject => ({
  metadata_filter: {
    matcher: {
      filter: cameAs.metadata_namespace,
      path: [{ key: cameAs.key }],
      value: { string_match: value },
    },
    match_if_key_not_found: false,
  },
});
const cameAsGrpcWeb = came({ prefix: 'application/grpc-web' });
const cameAsConnect = came({ safe_regex: { regex: 'application/(proto|json|connect).*' } });

/** No connection (UF), no pod (UH), no room (UO): the process got nothing of it. */
const gotNothing = flags('UF', 'UH', 'UO');
/**
 * What gRPC calls UNAVAILABLE: 502, 503, and of 504 only a pod's silence (UT). Where the caller's own deadline has
 * passed (DT), that is DEADLINE_EXCEEDED.
 */
const unavailable = any(status(502), status(503), flags('UT'));

// No ErrorInfo: its absence says that it is not the word of a process (sdk/failure.ts, docs/ERRORS.md).
const retry = retryInfo(defaultRetryMs);
// Padded: the edge's translation to Connect reads no other.
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const retryInTrailers = setHeader(
  'grpc-status-details-bin',
  base64(
    toBinary(
      StatusSchema,
      create(StatusSchema, {
        code: Status.UNAVAILABLE,
        // Clients show it in the place of grpc-message, which has Envoy's own words.
        message: 'no pod was reached, or none answered',
        details: [anyPack(RetryInfoSchema, retry)],
      }),
    ),
  ),
);

/** As Connect clients expect it: an error in JSON. */
const connectError = (code: string, details: readonly JsonObject[] = []): JsonObject => ({
  body_format_override: {
    json_format: { code, message: '%LOCAL_REPLY_BODY%', ...(details.length > 0 && { details }) },
    content_type: 'application/json',
  },
});
const retryInJson = connectError('unavailable', [
  { type: RetryInfoSchema.typeName, value: base64(toBinary(RetryInfoSchema, retry)) },
]);

/**
 * UNAVAILABLE and when to come back, as the client's protocol has it. Envoy knows nothing of gRPC-Web: an answer without
 * a body, whose headers are its trailers.
 */
const comeBack = (
  filter: JsonObject,
  headers: readonly JsonObject[] = [],
  isGrpcWeb = overGrpcWeb,
): JsonObject[] => [
  {
    filter: all(filter, isGrpcWeb),
    status_code: 200,
    headers_to_add: [...headers, setHeader('grpc-status', `${Status.UNAVAILABLE}`), retryInTrailers],
    body_format_override: {
      text_format_source: { inline_string: '' },
      content_type: 'application/grpc-web+proto',
    },
  },
  { filter: all(filter, overGrpc), headers_to_add: [...headers, retryInTrailers] },
  { filter, headers_to_add: headers, ...retryInJson },
];

/**
 * Of sidecars, to calls of processes and of each other. Marked where the process got nothing: the caller's sidecar may
 * then try another pod whatever the call is.
 */
export const repliesToCalls: JsonObject = {
  mappers: [...comeBack(gotNothing, [setHeader(unprocessedHeader, '1')]), ...comeBack(unavailable)],
};

/** Of edges, to devices and people. */
export const repliesToDevices: JsonObject = {
  mappers: [
    // Envoy makes UNKNOWN of a 413, after which a client may well try again.
    { filter: all(status(413), overGrpc), headers_to_add: [setHeader('grpc-status', '8')] },
    { filter: all(unavailable, cameAsConnect), ...retryInJson },
    ...comeBack(unavailable, [], any(cameAsGrpcWeb, overGrpcWeb)),
    ...(
      [
        [404, 'unimplemented'],
        [413, 'resource_exhausted'],
        [429, 'resource_exhausted'],
        [504, 'deadline_exceeded'],
      ] as const
    ).map(([code, name]) => ({
      filter: all(status(code), any(cameAsConnect, notOverGrpc)),
      ...connectError(name),
    })),
  ],
};

/**
 * On the way to a backend, both ends: also no route (NR) and no cluster (NC) mean that it got nothing, and
 * every other failure that is the sidecar's own is told apart from the backend's.
 */
export const repliesForBackends: JsonObject = {
  mappers: [
    {
      filter: flags('UF', 'UH', 'UO', 'NR', 'NC'),
      headers_to_add: [setHeader(unprocessedHeader, '1')],
      // A caller's sidecar that tries again has to reset the stream of an answer that has a body. After a thousand resets
      // (33 a second) nghttp2 ends the connection, and what was in flight on it counts as refused: orders were sent, and
      // executed, twice (https://nghttp2.org/documentation/nghttp2_option_set_stream_reset_rate_limit.html).
      body_format_override: { text_format_source: { inline_string: '' } },
    },
    { filter: status(500, 'GE'), headers_to_add: [setHeader(localReplyHeader, '1')] },
  ],
};
