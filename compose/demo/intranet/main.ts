/** A small intranet to try the mesh with: `node compose/demo/intranet/main.ts --config FILE`. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { loadConfig } from '#kernel/config/load-config.ts';
import { socketPath } from '#kernel/config/primitives.ts';
import { runProcess } from '#kernel/lifecycle/run-process.ts';
import { createLogger } from '#kernel/log/logger.ts';
import { clearSocket } from '#kernel/rpc/socket-path.ts';
import { JwksReader } from './jwks.ts';
import { openOrders } from './orders.ts';
import { answer } from './pages.ts';

const schema = z.strictObject({
  pod: z.string().describe('Name of this pod.'),
  socket: socketPath().describe('Where its sidecar finds it.'),
  ordersFile: z.string().describe('Database file of the orders; pods of one intranet share it.'),
  jwks: z
    .strictObject({
      urls: z.array(z.url()).min(1).describe("Edges' GetJwks; the next is asked when one does not answer."),
      caFile: z.string().describe('Root that the edge is checked by.'),
    })
    .describe('Where the keys of identity assertions are read.'),
});

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const config = loadConfig(schema, values.config === undefined ? {} : { file: values.config });
const log = createLogger({ pod: config.pod });

await runProcess(
  async (life) => {
    const keys = new JwksReader(config.jwks.urls, readFileSync(config.jwks.caFile));
    const orders = await life.start(
      'orders',
      async () => openOrders(config.ordersFile),
      async (opened) => opened.close(),
    );
    const server = createServer((request, response) => {
      answer(request, response, { pod: config.pod, keys, orders }).catch((error: unknown) => {
        log.warn({ err: error, url: request.url }, 'a page failed');
        response.destroy();
      });
    });
    await life.start(
      'intranet',
      async () => {
        await clearSocket(config.socket);
        await new Promise<void>((resolve, reject) => {
          server.once('error', reject);
          server.listen(config.socket, resolve);
        });
      },
      () =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    );
  },
  { log },
);
