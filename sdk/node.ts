import { createGrpcTransport } from '@connectrpc/connect-node';
import { edgeConnector } from './connect-edge.ts';
import type { ConnectEdge } from './edges.ts';
import { EdgeSessions } from './http2-sessions.ts';

export { fileStore } from './file-store.ts';

const longestConnectMs = 12_000;

export interface NodeEdgeOptions {
  /** Certificate authorities that edges are checked against, PEM; default: those of Node. */
  readonly ca?: string | Uint8Array | readonly string[];
  /**
   * Milliseconds for TCP and TLS to an edge, after which another one is tried; default 1,500. Doubles each
   * time that it was too short, to 12,000, until the edge answers.
   */
  readonly connectTimeoutMs?: number;
  /** Milliseconds without a byte, while calls are open, before the edge is pinged; default 1,000. */
  readonly pingIntervalMs?: number;
  /** Milliseconds that it has to answer; then its calls fail and another edge is tried; default 1,000. */
  readonly pingTimeoutMs?: number;
}

/** Edges by gRPC over HTTP/2 and TLS, streams included. */
export function nodeEdges(options: NodeEdgeOptions = {}): ConnectEdge {
  const { ca, connectTimeoutMs = 1500, pingIntervalMs = 1000, pingTimeoutMs = 1000 } = options;
  const roots =
    ca === undefined
      ? {}
      : { ca: typeof ca === 'string' ? ca : ca instanceof Uint8Array ? Buffer.from(ca) : [...ca] };
  return (url) => {
    const createConnection = edgeConnector(roots, { firstMs: connectTimeoutMs, longestMs: longestConnectMs });
    const sessionManager = new EdgeSessions(
      url,
      { intervalMs: pingIntervalMs, timeoutMs: pingTimeoutMs },
      { createConnection },
    );
    return {
      transport: createGrpcTransport({ baseUrl: url, sessionManager }),
      streams: true,
      close: () => sessionManager.abort(),
    };
  };
}
