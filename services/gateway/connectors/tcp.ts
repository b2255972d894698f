import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SallyportError } from '#core/errors/error.ts';
import type { TargetOf } from '../target-schema.ts';
import { type Answer, brokeOff, type Connector, type TargetCall, unreachable } from './connector.ts';

const connectMs = 3000;

/** A connection for each call. The call is over when the server has ended its side. */
export function tcpConnector(target: TargetOf<'tcp'>): Connector {
  const { name } = target;
  const ca = target.caFile === undefined ? undefined : readFileSync(target.caFile);

  async function* call({ body, signal, acting }: TargetCall): AsyncGenerator<Answer> {
    const socket = await connected(target, ca, signal);
    // What breaks is thrown by whoever reads or writes.
    socket.on('error', () => {});
    const stop = (): void => void socket.destroy(SallyportError.from(signal.reason));
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    acting();
    const sending = send(socket, body);
    sending.catch((error: unknown) => socket.destroy(SallyportError.from(error)));
    try {
      yield { case: 'head', value: {} };
      for await (const data of socket) yield { case: 'data', value: data as Uint8Array };
      yield { case: 'end', value: {} };
    } catch (error) {
      throw error instanceof SallyportError ? error : brokeOff(name, error);
    } finally {
      signal.removeEventListener('abort', stop);
      socket.destroy();
    }
  }
  return { call, close: async () => {} };
}

async function connected(
  target: TargetOf<'tcp'>,
  ca: Buffer | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const { name, host, port, tls } = target;
  const socket = tls
    ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...(ca && { ca }) })
    : connect({ host, port, allowHalfOpen: true });
  try {
    await once(socket, tls ? 'secureConnect' : 'connect', {
      signal: AbortSignal.any([signal, AbortSignal.timeout(connectMs)]),
    });
    return socket;
  } catch (error) {
    socket.on('error', () => {});
    socket.destroy();
    throw signal.aborted ? SallyportError.from(signal.reason) : unreachable(name, error);
  }
}

async function send(socket: Socket, body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of body) {
    if (socket.destroyed) return;
    if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
  }
  socket.end();
}
