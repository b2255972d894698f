/** The least that a relay in Node can be: HTTP/2 in, HTTP/1.1 out, nothing checked, nothing decided. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import { serveBench } from '../harness/child.ts';

/** Of the connection to the backend, not of the answer (RFC 9113 §8.2.2). */
const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding']);

serveBench(async ({ socket, backend }: { socket: string; backend: string }) => {
  const agent = new Agent({ keepAlive: true });
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const kept = Object.entries(headers).filter(([name]) => !name.startsWith(':'));
    const onward = request({
      ...{ socketPath: backend, agent, headers: Object.fromEntries(kept) },
      ...{ method: headers[':method'], path: headers[':path'], host: headers[':authority'] },
    });
    onward.on('response', (answer) => {
      stream.respond({ ':status': answer.statusCode, ...endToEnd(answer.headers) });
      answer.pipe(stream);
    });
    onward.on('error', (error) => stream.destroy(error));
    stream.on('error', () => onward.destroy());
    stream.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return async () => undefined;
});

function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hopByHop.has(name)));
}
