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
import { Status } from '#core/errors/status.ts';
import { createAdmission } from './admission.ts';
import { closeInOrder } from './close.ts';
import { adaptToConnect } from './connect-adapter.ts';
import { explainRefusal, refuse } from './connect-refusal.ts';
import { routesByPath } from './implement.ts';
import { noObserver } from './observer.ts';
import { Pipeline } from './pipeline.ts';
import { answerPlain, type PlainHttp } from './plain-http.ts';
import type { RpcServer, RpcServerOptions } from './server-options.ts';
import { clearSocket } from './socket-path.ts';
import { turns } from './turns.ts';
import { unknownMethod } from './unknown-method.ts';

export interface ConnectServerOptions extends RpcServerOptions {
  /** HTTP/2 streams that one connection (of the sidecar) may have open; default 1000. */
  readonly maxStreamsPerConnection?: number;
  /** What is served beside the RPCs. */
  readonly plain?: readonly PlainHttp[];
}

/** Calls that are begun in one turn of the event loop: some milliseconds. */
const perTurn = 8;

/**
 * A server for Connect (binary and JSON), gRPC and gRPC-Web on cleartext HTTP/2, for what is called rarely,
 * from everywhere. The same implementations as createGrpcServer takes, the same errors.
 */
export function createConnectServer(options: ConnectServerOptions): RpcServer {
  const { pod, log, maxRequestBytes = 4 * 2 ** 20, newRequestId = randomUUID } = options;
  const admission = options.admission ?? createAdmission();
  const observer = options.observer ?? noObserver;
  const pipeline = new Pipeline(admission, observer, log);
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
    const plain = options.plain?.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`));
    if (plain !== undefined) return answerPlain(plain, { pipeline, newRequestId }, request, response);
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
  const accepted = turns(perTurn);
  let grpcRefusal: Record<string, string> | undefined;
  /** Refuses what there is no room for before anything has been done about it: a flood must cost little. */
  const shed = (request: Http2ServerRequest, response: Http2ServerResponse): boolean => {
    const error = admission.refusal(accepted.waiting);
    if (error === undefined) return false;
    const [path = ''] = request.url.split('?', 1);
    const method = path.slice(1);
    const unobserved = { header: () => undefined, setHeader: () => {} };
    observer.start({ method, side: 'server', ...unobserved }).end(Status[error.status], error);
    log.warn({ rpc: method, err: error }, `${method} failed: ${error.reason}`);
    const type = request.headers['content-type'] ?? '';
    const place = pod === undefined ? {} : { pod };
    if (type === 'application/grpc' || type === 'application/grpc+proto') {
      grpcRefusal ??= Object.fromEntries(refuse(error, type, place).header ?? []);
      // Unread, what the caller still sends would keep the stream open.
      request.resume();
      response.stream.respond({ ...grpcRefusal, ':status': 200, 'content-type': type }, { endStream: true });
    } else {
      universalResponseToNodeResponse(refuse(error, type, place), response).catch((cause: unknown) =>
        notSent(request, response, cause),
      );
    }
    return true;
  };
  // What fails here is the sending of an answer, mostly because nobody is there to take it.
  const notSent = (request: Http2ServerRequest, response: Http2ServerResponse, cause: unknown): void => {
    log.debug({ rpc: request.url, err: SallyportError.from(cause) }, 'an answer could not be sent');
    response.stream?.close(constants.NGHTTP2_INTERNAL_ERROR);
  };
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer(
    { settings: { maxConcurrentStreams: options.maxStreamsPerConnection ?? 1000 } },
    (request, response) => {
      if (shed(request, response)) return;
      accepted.add(() => {
        // The caller may have gone while it waited for its turn.
        if (response.stream === undefined || response.stream.destroyed) return;
        answer(request, response).catch((error: unknown) => notSent(request, response, error));
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
