/** Plain HTTP/2 requests to what stands beside our proxy. */
import { connect } from 'node:http2';
import { serveBench } from '../harness/child.ts';
import type { SliceAnswer } from '../harness/interleave.ts';
import { closedLoop } from './closed-loop.ts';

export interface Http2Load {
  readonly socket: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly inFlight: number;
  /** Of the request's body; 0 is a GET. */
  readonly sendBytes: number;
  /** Of the answer's. */
  readonly answerBytes: number;
}

serveBench(async (load: Http2Load) => {
  const { sendBytes, answerBytes } = load;
  const session = connect('http://intranet.example', { path: load.socket } as Parameters<typeof connect>[1]);
  // Requests tell of it.
  session.on('error', () => undefined);
  const body = Buffer.alloc(sendBytes, 'x');
  const work = (): Promise<boolean> =>
    new Promise((resolve) => {
      const stream = session.request({
        ...load.headers,
        ':method': sendBytes > 0 ? 'POST' : 'GET',
        ':path': `/echo?bytes=${answerBytes}`,
        accept: 'application/json',
        'user-agent': 'field/1.3.0 (android 15)',
        ...(sendBytes > 0 && { 'content-length': sendBytes }),
      });
      let status = 0;
      let received = 0;
      stream.on('response', (headers) => {
        status = headers[':status'] ?? 0;
      });
      stream.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      stream.on('error', (error) => process.stderr.write(`HTTP/2: ${error.message}\n`));
      stream.on('close', () => resolve(status === 200 && received === answerBytes));
      stream.end(body);
    });
  return ({ run }: { run: number }): Promise<SliceAnswer> => closedLoop(run, load.inFlight, work);
});
