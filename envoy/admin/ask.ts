import { request } from 'node:http';
import { SallyportError } from '#core/errors/error.ts';

export interface AskOptions {
  /** Default GET; what changes something is a POST. */
  readonly method?: 'GET' | 'POST';
  /** Milliseconds of silence until giving up; default 3000. */
  readonly timeoutMs?: number;
}

/** A whole dump of a large mesh's sidecar is some MiB. */
const maxBytes = 64 * 2 ** 20;

/**
 * What a sidecar's admin answers, as text.
 * @throws UNAVAILABLE for a status other than 200 or no answer in time; TOO_LARGE beyond 64 MiB; what the
 * socket says
 */
export function askAdmin(socketPath: string, path: string, o: AskOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', timeoutMs = 3000 } = o;
    const asked = request({ socketPath, path, method, timeout: timeoutMs, agent: false }, (response) => {
      const parts: string[] = [];
      let length = 0;
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        length += chunk.length;
        if (length > maxBytes) asked.destroy(new SallyportError('TOO_LARGE'));
        else parts.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(parts.join(''));
        else
          reject(
            new SallyportError('UNAVAILABLE', {
              message: `the sidecar answers ${response.statusCode} to ${path}`,
            }),
          );
      });
    });
    asked.on('timeout', () =>
      asked.destroy(new SallyportError('UNAVAILABLE', { message: `${path}: no answer in time` })),
    );
    asked.on('error', reject);
    asked.end();
  });
}
