import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { CommandContext } from './command.ts';
import { UsageError } from './failure.ts';

/**
 * What a file says; `-` is standard input, which whoever writes there may take time for.
 * @param maxBytes the most that it may have
 * @throws UsageError when it is larger or not UTF-8 (where wrong bytes became all the same, two passwords could be
 *   one); Interrupted; what the file system says
 */
export async function readText(
  file: string,
  { cwd, signal }: Pick<CommandContext, 'cwd' | 'signal'>,
  maxBytes: number,
): Promise<string> {
  const bytes =
    file === '-' ? await readInput(maxBytes, signal) : await readFile(resolve(cwd, file), maxBytes);
  if (bytes.length > maxBytes)
    throw new UsageError(`${file} is larger than ${maxBytes} bytes`, 'is it the right one?');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`${file} is not text in UTF-8`, 'write it anew in that encoding');
  }
}

async function readFile(path: string, maxBytes: number): Promise<Uint8Array> {
  const handle = await open(path);
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of handle.createReadStream({
      autoClose: false,
      end: maxBytes,
    }) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
    }
    return Buffer.concat(chunks, length);
  } finally {
    await handle.close();
  }
}

/** Not by `readFileSync(0)`, which fails with EAGAIN while a pipe is empty. */
async function readInput(maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
  const { stdin } = process;
  const give = (): void => void stdin.destroy();
  signal.addEventListener('abort', give, { once: true });
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stdin as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxBytes) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', give);
  }
  if (signal.aborted) throw signal.reason;
  return Buffer.concat(chunks, length);
}
