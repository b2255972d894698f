import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { findEnvoy } from '#compose/parts/envoy.ts';

/** Path of a real Envoy, found or fetched. */
export const envoyBinary = async (): Promise<string> =>
  (await findEnvoy({ env: process.env, progress: () => {} })).bin;

/** Ports from 20000 to 31999 that nobody holds at this moment, over TCP and UDP, never one twice. */
export function portFinder(random: () => number = Math.random): (address?: string) => Promise<number> {
  const given = new Set<number>();
  return async (address = '127.0.0.1') => {
    for (let tries = 0; tries < 200; tries++) {
      const port = 20_000 + Math.floor(random() * 12_000);
      if (given.has(port)) continue;
      given.add(port);
      if ((await freeTcp(port, address)) && (await freeUdp(port, address))) return port;
    }
    throw new Error('no free port from 20000 to 31999');
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
