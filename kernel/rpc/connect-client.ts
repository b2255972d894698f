import { connect } from 'node:net';
import type { DescService } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { withSallyportErrors } from '#core/errors/sallyport-errors.ts';
import { type ClientTls, nodeTls } from './client-tls.ts';

export interface ConnectClientOptions {
  /** `unix:/…/connect.sock`, or the `https://host:port` of an edge. */
  readonly address: string;
  /** Milliseconds that a call may take when it names no `timeoutMs` of its own. */
  readonly defaultDeadlineMs: number;
  /** Messages as JSON, readable on the wire; default false. */
  readonly json?: boolean;
  /** PEM: the roots that an edge's certificate is checked against; default the system's. */
  readonly ca?: Uint8Array;
  /** Straight to a sidecar's ingress, with a certificate of the mesh. */
  readonly tls?: ClientTls;
  /** Headers of every call, lower-case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes; default 4 MiB. */
  readonly maxResponseBytes?: number;
}

/** A typed Connect client over HTTP/2 for tools in Node, whose calls fail with SallyportErrors. */
export function createConnectClient<S extends DescService>(
  service: S,
  options: ConnectClientOptions,
): Client<S> {
  const path = options.address.startsWith('unix:') ? options.address.slice('unix:'.length) : undefined;
  const transport = createConnectTransport({
    httpVersion: '2',
    baseUrl: path === undefined ? options.address : 'http://localhost',
    defaultTimeoutMs: options.defaultDeadlineMs,
    useBinaryFormat: !options.json,
    readMaxBytes: options.maxResponseBytes ?? 4 * 2 ** 20,
    interceptors: [
      (next) => (request) => {
        for (const [name, value] of Object.entries(options.headers ?? {})) request.header.set(name, value);
        return next(request);
      },
    ],
    nodeOptions: {
      ...(path !== undefined && { createConnection: () => connect(path) }),
      ...(options.ca && { ca: Buffer.from(options.ca) }),
      ...(options.tls && nodeTls(options.tls)),
    },
    // Tools end when they are done; a connection that is kept for the next call must not hold them.
    idleConnectionTimeoutMs: 1000,
  });
  return withSallyportErrors(createClient(service, transport));
}
