import type { ServerDuplexStream } from '@grpc/grpc-js';
import { SallyportError } from '#core/errors/error.ts';
import type { GrpcCall } from './grpc-call.ts';

/**
 * Messages that are on their way out. Few, so that whoever makes them sees at once that the caller is slow, and
 * more than one, so that the connection has something to send while the next is made.
 */
const underWay = 2;

/** Writes the responses as fast as the caller takes them, then the end. Never rejects. */
export async function pumpBytes(
  call: GrpcCall,
  grpc: ServerDuplexStream<Buffer, Buffer>,
  responses: AsyncIterable<Uint8Array>,
  pod: string | undefined,
): Promise<void> {
  let writing = 0;
  let wake: (() => void) | undefined;
  // grpc-js calls it when the connection has taken the message. Once the call is over it never may.
  const written = (): void => {
    writing--;
    wake?.();
  };
  try {
    for await (const { buffer, byteOffset, byteLength } of responses) {
      if (call.call.over) break;
      call.sendHeaders();
      writing++;
      grpc.write(Buffer.from(buffer, byteOffset, byteLength), written);
      if (writing < underWay) continue;
      await call.whileOpen((done) => {
        wake = done;
      });
    }
    call.sendHeaders();
    grpc.end(call.trailers);
  } catch (thrown) {
    // grpc-js's way to end a stream with a status; it has no more use for it once the caller has gone.
    if (!grpc.destroyed) grpc.emit('error', call.status(SallyportError.from(thrown), pod));
  }
}
