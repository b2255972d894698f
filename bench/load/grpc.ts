/**
 * Loads one gRPC method with requests that were encoded before, and looks at no more of an answer than its
 * length: the load must cost less than the server. The requests may be exchanged between two runs.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { serveBench } from '../harness/child.ts';
import type { SliceAnswer } from '../harness/interleave.ts';
import { closedLoop } from './closed-loop.ts';
import { asItIs, rawClient } from './raw-client.ts';

export interface GrpcLoad {
  readonly socket: string;
  /** `/package.Service/Method` */
  readonly path: string;
  readonly kind: 'unary' | 'stream';
  /** base64 */
  readonly requests: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly inFlight: number;
  /** A shorter answer is a failure: an error has come as a message. */
  readonly leastBytes: number;
}

const decoded = (texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text, 'base64'));

serveBench(async (load: GrpcLoad) => {
  let requests = decoded(load.requests);
  const { client, metadata } = rawClient(load);
  const next = (n: number): Buffer => requests[n % requests.length] ?? Buffer.alloc(0);
  const unary = (n: number): Promise<boolean> =>
    new Promise((resolve) => {
      client.makeUnaryRequest(load.path, asItIs, asItIs, next(n), metadata, (error, answer) => {
        if (error) process.stderr.write(`${load.path}: ${error.message}\n`);
        resolve(!error && (answer?.length ?? -1) >= load.leastBytes);
      });
    });
  return async (ask: { run: number } | Pick<GrpcLoad, 'requests'>): Promise<SliceAnswer> => {
    if ('requests' in ask) {
      requests = decoded(ask.requests);
      return { done: 0, failed: 0 };
    }
    const { run } = ask;
    if (load.kind === 'unary') return closedLoop(run, load.inFlight, unary);
    const stream = client.makeBidiStreamRequest(load.path, asItIs, asItIs, metadata);
    return streamed(stream, run, load, next);
  };
});

/** Keeps so many messages under way on one stream; each answer makes room for the next. */
function streamed(
  stream: ClientDuplexStream<Buffer, Buffer>,
  ms: number,
  { inFlight, leastBytes, path }: GrpcLoad,
  next: (n: number) => Buffer,
): Promise<SliceAnswer> {
  return new Promise((resolve) => {
    const end = performance.now() + ms;
    let sent = 0;
    let done = 0;
    let failed = 0;
    const send = (): void => void stream.write(next(sent++));
    stream.on('data', (answer: Buffer) => {
      if (answer.length >= leastBytes) done += 1;
      else failed += 1;
      if (performance.now() < end && failed < 100) send();
      else if (done + failed === sent) stream.end();
    });
    stream.on('error', (error) => process.stderr.write(`${path}: ${error.message}\n`));
    stream.on('status', () => resolve({ done, failed: sent - done }));
    for (let n = 0; n < inFlight; n++) send();
  });
}
