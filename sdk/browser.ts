import { createFetchClient } from '@connectrpc/connect/protocol';
import { createTransport } from '@connectrpc/connect/protocol-grpc-web';
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
      httpClient: createFetchClient(fetchFunction),
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
