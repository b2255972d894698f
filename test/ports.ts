import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const [first, last] = [12_000, 19_999];

/**
 * Ports that nobody holds at this moment, over TCP and UDP, never one twice. They lie below those of the runner
 * (compose/runner/ports.ts), so that a mesh that is about to listen at its own finds them free, whatever else is tested.
 */
export function portFinder(random: () => number = Math.random): (address?: string) => Promise<number> {
  const given = new Set<number>();
  return async (address = '127.0.0.1') => {
    for (let tries = 0; tries < 200; tries++) {
      const port = first + Math.floor(random() * (last - first + 1));
      if (given.has(port)) continue;
      given.add(port);
      if ((await freeTcp(port, address)) && (await freeUdp(port, address))) return port;
    }
    throw new Error(`no free port from ${first} to ${last}`);
  };
}

const freeTcp = (port: number, address: string) =>
  new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, address, () => server.close(() => resolve(true)));
  });

const freeUdp = (port: number, address: string) =>
  new Promise<boolean>((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind(port, address, () => socket.close(() => resolve(true)));
  });
