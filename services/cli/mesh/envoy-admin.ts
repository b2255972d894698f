import { request } from 'node:http';
import { SallyportError } from '#core/errors/error.ts';

const answerMs = 3000;
/** The largest answer that is asked for are some statistics. */
const maxBytes = 4 * 2 ** 20;

/** What a sidecar's admin answers, as text. @throws UNAVAILABLE; what the socket says */
export function askAdmin(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, timeout: answerMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > maxBytes) asked.destroy(new SallyportError('TOO_LARGE'));
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else
          reject(
            new SallyportError('UNAVAILABLE', { message: `the sidecar answers ${response.statusCode}` }),
          );
      });
    });
    asked.on('timeout', () =>
      asked.destroy(new SallyportError('UNAVAILABLE', { message: 'no answer in time' })),
    );
    asked.on('error', reject);
    asked.end();
  });
}

/** How many updates of its configuration a sidecar has refused since it was started, by resource type. */
export async function rejectedUpdates(socketPath: string): Promise<Readonly<Record<string, number>>> {
  const text = await askAdmin(socketPath, '/stats?filter=update_rejected');
  const rejected: Record<string, number> = {};
  for (const [, name = '', count = '0'] of text.matchAll(/^(\S+)\.update_rejected: (\d+)$/gm)) {
    if (Number(count) > 0) rejected[name] = Number(count);
  }
  return rejected;
}
