import { request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';

export interface RelayTarget {
  readonly agent: string;
  readonly mysqld: string;
}

/** One request to an agent; gives the status code, 0 if nobody answers: a check within 1 s, an order within 30 s. */
export function askAgent(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<number> {
  return new Promise((resolve) => {
    const call = request(
      {
        socketPath,
        path,
        method,
        signal: AbortSignal.timeout(method === 'GET' ? 1000 : 30_000),
        agent: false,
      },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    call.on('error', () => resolve(0));
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Connects a Unix socket to the mysqld whose agent says 200 to `check`, and cuts when it no longer does. */
export async function startRelay(
  path: string,
  targets: readonly RelayTarget[],
  check: '/primary' | '/replica' | '/readable',
): Promise<{ close(): void }> {
  const healthy = new Set<RelayTarget>();
  const pairs = new Map<Socket, RelayTarget>();
  let closed = false;
  const watch = async (target: RelayTarget): Promise<void> => {
    while (!closed) {
      if ((await askAgent(target.agent, 'GET', check)) === 200) healthy.add(target);
      else {
        healthy.delete(target);
        for (const [socket, of] of pairs) if (of === target) socket.destroy();
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const watching = targets.map(watch);
  const server = createServer((client) => {
    const [target] = healthy;
    if (!target) {
      client.destroy();
      return;
    }
    const upstream = connect(target.mysqld);
    pairs.set(client, target);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        pairs.delete(client);
      });
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    close: () => {
      closed = true;
      for (const socket of pairs.keys()) socket.destroy();
      server.close();
      void Promise.all(watching);
    },
  };
}
