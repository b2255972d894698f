import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { parseRootKeys, type RootKeyProvider } from './root-key.ts';

/** Configuration of a provider. */
export const rootKeySchema = z.discriminatedUnion('from', [
  z.strictObject({
    from: z.literal('file').describe('A file that only its owner can read (mode 0600 or less).'),
    path: z.string().min(1).describe('Path of the file.'),
  }),
  z.strictObject({
    from: z.literal('exec').describe('A program that prints the keys, for example of a hardware module.'),
    command: z.array(z.string()).min(1).describe('Program and arguments; no shell, no secrets.'),
    timeoutMs: z.int().min(100).max(60_000).default(10_000).describe('How long it may take; milliseconds.'),
  }),
  z.strictObject({
    from: z.literal('environment').describe('An environment variable.'),
    variable: z.string().min(1).describe('Its name.'),
  }),
]);
export type RootKeyConfig = z.infer<typeof rootKeySchema>;

export function rootKeyProvider(config: RootKeyConfig, env: NodeJS.ProcessEnv): RootKeyProvider {
  switch (config.from) {
    case 'file':
      return { keys: () => fromFile(config.path) };
    case 'exec':
      return { keys: () => fromProgram(config.command, config.timeoutMs) };
    case 'environment':
      return {
        keys: async () => parseRootKeys(env[config.variable] ?? '', `the variable ${config.variable}`),
      };
  }
}

async function fromFile(path: string) {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      throw new SallyportError('ROOT_KEY_UNAVAILABLE', {
        message: `${path} can be read by others than its owner`,
        hint: `chmod 600 ${path}, and think about whether the key has been read already`,
      });
    }
    return parseRootKeys(await readFile(path, 'utf8'), path);
  } catch (error) {
    throw unavailable(error, path);
  }
}

async function fromProgram([program = '', ...args]: readonly string[], timeout: number) {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout, maxBuffer: 65_536 });
    return parseRootKeys(stdout, program);
  } catch (error) {
    throw unavailable(withoutOutput(error), program);
  }
}

/** What a failed program printed may be the key. */
function withoutOutput(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof SallyportError) return error;
  const code = 'code' in error ? String(error.code) : 'unknown';
  return new Error(`the program failed (${code})`);
}

function unavailable(error: unknown, from: string): SallyportError {
  if (error instanceof SallyportError) return error;
  return new SallyportError('ROOT_KEY_UNAVAILABLE', {
    message: `${from} did not give the root key: ${error instanceof Error ? error.message : 'unknown error'}`,
    cause: error,
  });
}
