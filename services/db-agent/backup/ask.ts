import { request } from 'node:http';
import { SallyportError } from '#core/errors/error.ts';
import type { BackupAnswer } from './duty.ts';

const answerMs = 5000;

/** Asks an agent, by its own socket, about its backups, or (POST) for one. @throws UNAVAILABLE, what the socket says */
export function askBackup(socketPath: string, method: 'GET' | 'POST'): Promise<BackupAnswer> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath,
        path: '/backup',
        method,
        headers: { host: 'agent' },
        signal: AbortSignal.timeout(answerMs),
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode = 500 } = response;
          if (statusCode < 300) return resolve(JSON.parse(text) as BackupAnswer);
          reject(new SallyportError('UNAVAILABLE', { message: `the agent says ${statusCode} ${text}` }));
        });
      },
    );
    call.on('error', reject);
    call.end();
  });
}
