import { type UniversalClientFn, universalClientResponseFromFetch } from '@connectrpc/connect/protocol';
import { createTransport } from '@connectrpc/connect/protocol-grpc-web';
import { concat } from '../core/channel/bytes.ts';
import type { ConnectEdge } from './edges.ts';

const maxMessageBytes = 4 * 1024 * 1024;

/**
 * Edges by gRPC-Web over `fetch`, which has no bidirectional streams: requests go one by one and bodies
 * have at most 1 MiB. The edge must allow the page's origin (CORS).
 */
export function browserEdges(fetchFunction: typeof fetch = globalThis.fetch): ConnectEdge {
  return (url) => ({
    transport: createTransport({
      baseUrl: url,
      httpClient: wholeRequests(fetchFunction),
      useBinaryFormat: true,
      interceptors: [],
      acceptCompression: [],
      sendCompression: null,
      compressMinBytes: Number.MAX_SAFE_INTEGER,
      readMaxBytes: maxMessageBytes,
      writeMaxBytes: maxMessageBytes,
    }),
    streams: false,
  });
}

/**
 * Calls over `fetch` that are sent whole. Of a body Connect's own client makes a stream, which browsers do not
 * send, or over HTTP/2 only.
 */
export function wholeRequests(fetchFunction: typeof fetch = globalThis.fetch): UniversalClientFn {
  return async ({ url, method, header, body, signal }) => {
    const response = await fetchFunction(url, {
      method,
      headers: header,
      ...(body && { body: await whole(body) }),
      ...(signal && { signal }),
    });
    return universalClientResponseFromFetch(response);
  };
}

async function whole(body: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return new Uint8Array(concat(...parts));
}
