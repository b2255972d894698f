import { randomUUID } from 'node:crypto';
import { Server, ServerCredentials, type sendUnaryData, status } from '@grpc/grpc-js';
import { SallyportError } from '#core/errors/error.ts';
import { createAdmission } from './admission.ts';
import { closeInOrder } from './close.ts';
import { serialize } from './encoded.ts';
import { adaptToGrpc } from './grpc-adapter.ts';
import { type ServeUnary, takeUnary } from './grpc-unary.ts';
import { type HealthState, implementHealth } from './health.ts';
import { type Route, routesByPath } from './implement.ts';
import { noObserver } from './observer.ts';
import { Pipeline } from './pipeline.ts';
import { implementReflection } from './reflection.ts';
import type { RpcServer, RpcServerOptions } from './server-options.ts';
import { clearSocket } from './socket-path.ts';
import { answerUnknownMethods } from './unknown-method.ts';

export type { RpcLog, RpcServer } from './server-options.ts';

export interface GrpcServerOptions extends RpcServerOptions {
  /** Served as grpc.health.v1. */
  readonly health?: HealthState;
  /** Services that reflection describes besides `services`: those of the same pod's Connect server. */
  readonly describe?: Parameters<typeof implementReflection>[0];
  /** Milliseconds between pings on an idle connection; default 30 000. `grpc.keepalive_time_ms` */
  readonly keepaliveMs?: number;
  /** HTTP/2 receive window per stream, in bytes: what one caller may have under way; default 256 KiB. */
  readonly windowBytes?: number;
}

/** A gRPC server on grpc-js, for what is called often. Reflection is always on, health if a state is given. */
export function createGrpcServer(options: GrpcServerOptions): RpcServer {
  const { pod, maxRequestBytes = 4 * 2 ** 20, newRequestId = randomUUID } = options;
  const admission = options.admission ?? createAdmission();
  const pipeline = new Pipeline(admission, options.observer ?? noObserver, options.log);
  const unary = new Map<string, { readonly route: Route; readonly serve: ServeUnary }>();
  const server = new Server({
    interceptors: [takeUnary(unary, newRequestId)],
    // The adapter refuses with TOO_LARGE what is over the limit; this is where grpc-js stops reading.
    'grpc.max_receive_message_length': maxRequestBytes * 2,
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': options.keepaliveMs ?? 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc-node.flow_control_window': options.windowBytes ?? 256 * 1024,
    'grpc.enable_channelz': 0,
  });
  const services = [...options.services, ...(options.health ? [implementHealth(options.health)] : [])];
  const described = [...services.map((each) => each.service), ...(options.describe ?? [])];
  const routes = routesByPath([...services, ...implementReflection(described)]);
  for (const route of routes.values()) {
    const handler = adaptToGrpc(route, { pipeline, pod, maxRequestBytes, newRequestId });
    if (handler.type === 'unary') unary.set(route.path, { route, serve: handler.serve });
    const func = handler.type === 'unary' ? notTaken : handler.func;
    server.register(route.path, func, serialize, asItIs, handler.type);
  }
  answerUnknownMethods(server, pod);
  return {
    listen: async (socketPath) => {
      await clearSocket(socketPath);
      await new Promise<void>((resolve, reject) => {
        server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (cause) => {
          if (!cause) resolve();
          else reject(new SallyportError('START_FAILED', { message: `cannot bind ${socketPath}`, cause }));
        });
      });
    },
    get active() {
      return pipeline.active;
    },
    close: ({ graceMs }) =>
      closeInOrder(pipeline, graceMs, {
        stop: () =>
          new Promise((resolve, reject) => {
            server.tryShutdown((error) => (error ? reject(error) : resolve()));
          }),
        cut: () => server.forceShutdown(),
      }),
  };
}

/** grpc-js must know the method; its calls are taken before they come here. */
const notTaken = (_call: unknown, done: sendUnaryData<Buffer>): void =>
  done({ code: status.INTERNAL, details: 'the call was not taken' });
const asItIs = (bytes: Buffer): Buffer => bytes;
