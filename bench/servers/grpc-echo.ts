/** The yardstick: grpc-js alone, which gives back the bytes it gets; by unary calls and on a stream. */
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { serveBench } from '../harness/child.ts';

const asItIs = (bytes: Buffer): Buffer => bytes;

serveBench(async ({ socket }: { socket: string }) => {
  const server = new Server();
  const echo = (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): void =>
    done(null, call.request);
  const echoStream = (call: ServerDuplexStream<Buffer, Buffer>): void => {
    call.on('data', (bytes: Buffer) => call.write(bytes));
    call.on('end', () => call.end());
  };
  server.register('/bench.Echo/Echo', echo, asItIs, asItIs, 'unary');
  server.register('/bench.Echo/EchoStream', echoStream, asItIs, asItIs, 'bidi');
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return async () => undefined;
});
