import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';

/** Who is logged in at this command line, and where. */
const loginFile = z.object({
  format: z.literal(1),
  user: z.string(),
  token: z.string(),
  routeKey: z.string(),
  expiresAt: z.string(),
  edgeUrls: z.array(z.url()).min(1),
  /** PEM of the root that edges are checked by; absent: the system's roots. */
  ca: z.string().optional(),
});
export type LoginFile = z.output<typeof loginFile>;

const pathOf = (stateDir: string): string => join(stateDir, 'login.json');

/** Undefined when nobody is. @throws MALFORMED */
export function readLogin(stateDir: string): LoginFile | undefined {
  const path = pathOf(stateDir);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const parsed = loginFile.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new SallyportError('MALFORMED', {
    message: `${path} cannot be read`,
    hint: 'remove it and log in again',
  });
}

/** Replaced whole, readable by its owner only: whoever has the token is the person. */
export function writeLogin(stateDir: string, login: LoginFile): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const path = pathOf(stateDir);
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, `${JSON.stringify(login, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(temporary, path);
}

export function removeLogin(stateDir: string): void {
  rmSync(pathOf(stateDir), { force: true });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which holds a token; the caller says which file it is.
    return undefined;
  }
}
