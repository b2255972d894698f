/** The yardstick: grpc-js alone, which gives back the bytes it gets. */
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { serveBench } from '../harness/child.ts';

const asItIs = (bytes: Buffer): Buffer => bytes;

serveBench(async ({ socket }: { socket: string }) => {
  const server = new Server();
  const echo = (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): void =>
    done(null, call.request);
  server.register('/bench.Echo/Echo', echo, asItIs, asItIs, 'unary');
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return async () => undefined;
});
