import type { CommandContext } from '../command.ts';
import { Interrupted } from '../context.ts';
import { UsageError } from '../failure.ts';
import { readText } from '../read-text.ts';

/** More than any password or activation string. */
const maxLength = 4096;
/** Only its first line counts. */
const maxFileBytes = 65_536;

/** The first line of a file; `-` is standard input. */
export async function readSecretFile(
  file: string,
  command: Pick<CommandContext, 'cwd' | 'signal'>,
): Promise<string> {
  const text = await readText(file, command, maxFileBytes);
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line.length > 0 && line.length <= maxLength) return line;
  throw new UsageError(
    `the first line of ${file} is ${line === '' ? 'empty' : 'too long'}`,
    'name another file',
  );
}

/**
 * A password: from the file, else from SALLYPORT_PASSWORD, else typed. Never from an argument, which every
 * user of the machine could read.
 * @throws UsageError when there is none and no terminal to ask at; Interrupted on Ctrl-C
 */
export async function readPassword(
  file: string | undefined,
  command: CommandContext,
  question = 'Password: ',
): Promise<string> {
  if (file !== undefined) return readSecretFile(file, command);
  const given = command.env.SALLYPORT_PASSWORD;
  if (given !== undefined && given !== '') return given;
  if (process.stdin.isTTY && process.stderr.isTTY) return promptHidden(question, command);
  throw new UsageError(
    'there is no password',
    'use --password-file FILE (- is standard input) or the variable SALLYPORT_PASSWORD',
  );
}

/** A password that is to be set: as {@link readPassword}, but typed twice. @throws UsageError */
export async function readNewPassword(file: string | undefined, command: CommandContext): Promise<string> {
  const password = await readPassword(file, command, 'New password: ');
  const given = file !== undefined || (command.env.SALLYPORT_PASSWORD ?? '') !== '';
  if (given || (await readPassword(undefined, command, 'Once more: ')) === password) return password;
  throw new UsageError('the two were not the same', 'try again');
}

/** Asks at the terminal, showing nothing of what is typed. */
function promptHidden(question: string, { err, signal }: CommandContext): Promise<string> {
  const { stdin } = process;
  return new Promise((resolve, reject) => {
    let typed = '';
    const end = (error?: unknown): void => {
      stdin.off('data', take);
      signal.removeEventListener('abort', give);
      stdin.setRawMode(false);
      stdin.pause();
      err('\n');
      if (error === undefined) resolve(typed);
      else reject(error);
    };
    const give = (): void => end(signal.reason);
    const take = (text: string): void => {
      for (const key of text) {
        // In raw mode Ctrl-C (3) is a key like others; Ctrl-D (4) ends the input as Enter does.
        const over = key === '\r' || key === '\n' || key === '\u0003' || key === '\u0004';
        if (over) {
          end(key === '\u0003' ? new Interrupted('Ctrl-C') : undefined);
          return;
        }
        if (key === '\u007f' || key === '\b') typed = [...typed].slice(0, -1).join('');
        else if (key >= ' ' && typed.length < maxLength) typed += key;
      }
    };
    err(question);
    stdin.setRawMode(true);
    stdin.setEncoding('utf8');
    stdin.on('data', take);
    stdin.resume();
    signal.addEventListener('abort', give, { once: true });
  });
}
