import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';
import { afterEach, beforeEach } from 'mocha';
import { Relay } from '#gen/sallyport/relay/v1/relay_pb.js';
import { waitFor } from '#kernel/time/wait-for.ts';
import { createGrpcClient } from './grpc-client.ts';
import { createGrpcServer, type GrpcServerOptions } from './grpc-server.ts';
import type { Handlers } from './handlers.ts';
import { type Implementation, implement } from './implement.ts';
import { noObserver, type RpcObserver } from './observer.ts';
import type { RpcServer } from './server-options.ts';
import { keepLog } from './test-service.ts';

export const sessionId = 's'.repeat(60);
export const attach = { sessionId, deviceNonce: new Uint8Array(32), proof: new Uint8Array(32) };
export const until = (what: string, condition: () => unknown) =>
  waitFor(condition, { what, timeoutMs: 5000, everyMs: 5 });
export const relayOf = (handlers: Partial<Handlers<typeof Relay>>) => [implement(Relay, handlers)];

/** A gRPC server and its clients on a Unix socket of their own, for each test of the suite that calls this. */
export function grpcFixture() {
  let folder = '';
  let socket = '';
  let log = keepLog();
  const closers: (() => unknown)[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rpc-'));
    socket = join(folder, 'grpc.sock');
    log = keepLog();
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await rm(folder, { recursive: true });
  });

  const serve = async (
    services: readonly Implementation[],
    more: Partial<GrpcServerOptions> = {},
  ): Promise<RpcServer> => {
    const server = createGrpcServer({ services, log, pod: 'sec-0', ...more });
    await server.listen(socket);
    closers.push(() => server.close({ graceMs: 0 }));
    return server;
  };
  const relay = (observer: RpcObserver = noObserver) => {
    const client = createGrpcClient(Relay, {
      address: `unix:${socket}`,
      defaultDeadlineMs: 5000,
      metadata: { 'x-sallyport-route': 'rk' },
      observer,
    });
    closers.push(() => client.close());
    return client;
  };
  const raw = () => {
    const client = new Client(`unix:${socket}`, credentials.createInsecure());
    closers.push(() => client.close());
    return client;
  };
  /** `timeout` as `grpc-timeout` has it: the server is told of it, and the client does not keep it itself. */
  const callRaw = (
    path: string,
    bytes: Uint8Array,
    timeout?: string,
  ): Promise<{ code: number; metadata: Metadata }> =>
    new Promise((resolve, reject) => {
      const same = (value: Buffer): Buffer => value;
      const metadata = new Metadata();
      if (timeout !== undefined) metadata.set('grpc-timeout', timeout);
      raw().makeUnaryRequest(path, same, same, Buffer.from(bytes), metadata, {}, (error) =>
        error ? resolve(error) : reject(new Error('no error came')),
      );
    });
  /** Sends so many messages to a method, whatever its kind, and gives the answers and how it ended. */
  const sendRaw = (path: string, ...messages: readonly Uint8Array[]) =>
    new Promise<{ answers: Buffer[]; status: StatusObject; headers: Metadata | undefined }>((resolve) => {
      const same = (value: Buffer): Buffer => value;
      const call = raw().makeBidiStreamRequest(path, same, same, new Metadata());
      const answers: Buffer[] = [];
      let headers: Metadata | undefined;
      call.on('metadata', (metadata: Metadata) => {
        headers = metadata;
      });
      call.on('data', (answer: Buffer) => answers.push(answer));
      // It is in the status, too.
      call.on('error', () => undefined);
      call.on('status', (status: StatusObject) => resolve({ answers, status, headers }));
      for (const message of messages) call.write(Buffer.from(message));
      call.end();
    });
  return {
    serve,
    relay,
    callRaw,
    sendRaw,
    /** Runs after the test. */
    later: (close: () => unknown) => closers.push(close),
    get address() {
      return `unix:${socket}`;
    },
    get log() {
      return log;
    },
  };
}
