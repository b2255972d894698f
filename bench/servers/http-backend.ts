/** What stands behind the proxies: HTTP/1.1 that takes any body and gives back one of `?bytes=N`. */
import { createServer } from 'node:http';
import { serveBench } from '../harness/child.ts';

serveBench(async ({ socket }: { socket: string }) => {
  const bodies = new Map<number, Buffer>();
  const server = createServer((request, response) => {
    const bytes = Number(/bytes=(\d+)/.exec(request.url ?? '')?.[1] ?? 0);
    const body = bodies.get(bytes) ?? Buffer.alloc(bytes, 'x');
    bodies.set(bytes, body);
    request.resume();
    request.once('end', () => {
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes });
      response.end(body);
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return async () => undefined;
});
