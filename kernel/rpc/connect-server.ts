import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  constants,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { createConnectRouter } from '@connectrpc/connect';
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import { SallyportError } from '#core/errors/error.ts';
import { createAdmission } from './admission.ts';
import { closeInOrder } from './close.ts';
import { adaptToConnect } from './connect-adapter.ts';
import { explainRefusal, refuse } from './connect-refusal.ts';
import { routesByPath } from './implement.ts';
import { noObserver } from './observer.ts';
import { Pipeline } from './pipeline.ts';
import type { RpcServer, RpcServerOptions } from './server-options.ts';
import { clearSocket } from './socket-path.ts';
import { unknownMethod } from './unknown-method.ts';

export interface ConnectServerOptions extends RpcServerOptions {
  /** HTTP/2 streams that one connection (of the sidecar) may have open; default 1000. */
  readonly maxStreamsPerConnection?: number;
}

/**
 * A server for Connect (binary and JSON), gRPC and gRPC-Web on cleartext HTTP/2, for what is called rarely,
 * from everywhere. The same implementations as createGrpcServer takes, the same errors.
 */
export function createConnectServer(options: ConnectServerOptions): RpcServer {
  const { pod, log, maxRequestBytes = 4 * 2 ** 20, newRequestId = randomUUID } = options;
  const pipeline = new Pipeline(options.admission ?? createAdmission(), options.observer ?? noObserver, log);
  const router = createConnectRouter({
    readMaxBytes: maxRequestBytes,
    acceptCompression: [compressionGzip, compressionBrotli],
  });
  for (const route of routesByPath(options.services).values()) {
    adaptToConnect(router, route, { pipeline, pod, newRequestId });
  }
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  const answer = async (request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> => {
    const path = request.url.split('?', 1)[0] ?? '';
    const handler = handlers.get(path);
    const id = request.headers['x-request-id'];
    const place = { ...(pod && { pod }), ...(typeof id === 'string' && { requestId: id }) };
    // Connect makes a URL of it, which what gRPC allows need not be: C, Python and others send a socket's path.
    request.headers[':authority'] = 'localhost';
    const call = universalRequestFromNodeRequest(request, response, undefined, undefined);
    const told = handler
      ? await explainRefusal(await handler(call), place)
      : refuse(unknownMethod(path), request.headers['content-type'] ?? '', place);
    await universalResponseToNodeResponse(told, response);
  };
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer(
    { settings: { maxConcurrentStreams: options.maxStreamsPerConnection ?? 1000 } },
    (request, response) => {
      // What fails here is the sending of an answer, mostly because nobody is there to take it.
      answer(request, response).catch((error: unknown) => {
        log.debug({ rpc: request.url, err: SallyportError.from(error) }, 'an answer could not be sent');
        response.stream?.close(constants.NGHTTP2_INTERNAL_ERROR);
      });
    },
  );
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  server.on('sessionError', (error) => log.debug({ err: SallyportError.from(error) }, 'a connection broke'));

  return {
    listen: async (socketPath) => {
      await clearSocket(socketPath);
      server.listen(socketPath);
      await once(server, 'listening').catch((cause: unknown) => {
        throw new SallyportError('START_FAILED', { message: `cannot bind ${socketPath}`, cause });
      });
    },
    get active() {
      return pipeline.active;
    },
    close: ({ graceMs }) =>
      closeInOrder(pipeline, graceMs, {
        stop: async () => {
          if (!server.listening) return;
          const closed = once(server, 'close');
          server.close();
          for (const session of sessions) session.close();
          await closed;
        },
        cut: () => {
          for (const session of sessions) session.destroy();
        },
      }),
  };
}
