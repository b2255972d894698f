import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { SallyportError } from '#core/errors/error.ts';
import {
  type ChangeName,
  type ChangeRequest,
  type ControlLine,
  controlLine,
  controlSocket,
  told,
  untold,
} from './messages.ts';

export interface AskOptions {
  readonly progress: (line: string) => void;
  /** Gives the change up; what it is in the middle of is brought to an end by the runner. */
  readonly signal: AbortSignal;
}

function parseLine(text: string): ControlLine {
  try {
    return controlLine.parse(JSON.parse(text));
  } catch (cause) {
    return told(
      new SallyportError('MALFORMED', { message: 'the runner says what nobody understands', cause }),
    );
  }
}

/**
 * Asks the runner of a mesh for a change and gives its result. There is no bound here: each step has one there.
 * @throws MESH_NOT_RUNNING when nobody listens; the runner's error; the reason of the signal
 */
export function askRunner<N extends ChangeName>(
  runDir: string,
  change: N,
  what: ChangeRequest<N>,
  { progress, signal }: AskOptions,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const asked = request(
      { socketPath: controlSocket(runDir), path: `/${change}`, method: 'POST', agent: false },
      (response) => {
        let ended = false;
        const lines = createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY });
        lines.on('line', (text) => {
          const line = parseLine(text);
          if ('progress' in line) return progress(line.progress);
          ended = true;
          if ('error' in line) reject(untold(line.error));
          else resolve(line.result);
        });
        lines.on('close', () => {
          if (!ended)
            reject(
              signal.aborted
                ? signal.reason
                : new SallyportError('UNAVAILABLE', {
                    message: 'the runner has ended in the middle of the change',
                    hint: 'see runner.log in the state folder',
                  }),
            );
        });
        // A response that is cut tells both; what that means stands above.
        response.on('error', () => lines.close());
        lines.on('error', () => lines.close());
      },
    );
    const giveUp = (): void => void asked.destroy();
    signal.addEventListener('abort', giveUp, { once: true });
    asked.on('close', () => signal.removeEventListener('abort', giveUp));
    asked.on('error', (cause) => {
      if (signal.aborted) return reject(signal.reason);
      reject(
        new SallyportError('MESH_NOT_RUNNING', {
          message: 'the runner of the mesh cannot be reached',
          hint: '`sallyport status` tells whether it runs; one of an older release takes no changes',
          cause,
        }),
      );
    });
    asked.end(JSON.stringify(what));
  });
}
