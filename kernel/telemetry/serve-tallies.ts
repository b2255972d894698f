import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { talliesText } from './tally.ts';

/** Serves this process's tallies at `GET /metrics` on a Unix socket, as Prometheus text. @throws what listening throws */
export async function serveTallies(socketPath: string): Promise<{ close(): Promise<void> }> {
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000 }, (request, response) => {
    const found = request.method === 'GET' && request.url === '/metrics';
    response.writeHead(found ? 200 : 404, { 'content-type': 'text/plain; version=0.0.4' });
    response.end(found ? talliesText() : '');
  });
  server.maxConnections = 16;
  // A socket file outlives the process that made it.
  await rm(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  server.unref();
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
