import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import type { IMetricReader } from '@opentelemetry/sdk-metrics';

export interface ScrapeServer {
  readonly reader: IMetricReader;
  close(): Promise<void>;
}

/** Serves metrics as Prometheus text at `GET /metrics`; everything else is 404. The exporter's own server knows TCP only. */
export async function startScrapeServer(
  at: { socketPath: string } | { port: number; address?: string },
): Promise<ScrapeServer> {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000 }, (request, response) => {
    if (request.method === 'GET' && request.url?.split('?')[0] === '/metrics') {
      exporter.getMetricsRequestHandler(request, response);
    } else {
      response.writeHead(404).end();
    }
  });
  server.maxConnections = 16;
  // A socket file outlives the process that made it.
  if ('socketPath' in at) await rm(at.socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const ready = (): void => {
      server.off('error', reject);
      resolve();
    };
    if ('socketPath' in at) server.listen(at.socketPath, ready);
    else server.listen(at.port, at.address ?? '127.0.0.1', ready);
  });
  server.unref();
  return {
    reader: exporter,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
