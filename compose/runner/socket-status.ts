import { request } from 'node:http';
import { SallyportError } from '#core/errors/error.ts';

/**
 * The status of an HTTP answer over a Unix socket.
 * @throws DEADLINE when none comes within the milliseconds; the system's own error when nobody listens
 */
export function socketStatus(socket: string, path: string, timeoutMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socket, path, timeout: timeoutMs, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.on('timeout', () => call.destroy(new SallyportError('DEADLINE', { message: 'it does not answer' })));
    call.on('error', reject);
    call.end();
  });
}
