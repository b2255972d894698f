import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PartsOptions } from '#compose/parts/options.ts';
import { type RunResult, run } from '#compose/parts/run.ts';
import type { OwnMesh } from '#test/mesh.ts';
import type { Page } from './page.ts';

/** What the suites of one run share. */
export interface Bench {
  readonly mesh: OwnMesh;
  readonly page: Page;
  /** A folder for files, removed at the end. */
  readonly work: string;
  readonly parts: PartsOptions;
  /** The origin that the edges let pages call from: `http://127.0.0.1:<port>`. */
  readonly webOrigin: URL;
}

const scriptMs = 120_000;

/**
 * Runs a script in bash from the root of the tree, as a person would who copies it. `env` is added to the
 * environment; `PATH` in it comes before the present one.
 */
export function runScript(
  { mesh, work, parts }: Bench,
  script: string,
  env: Readonly<Record<string, string>> = {},
  timeoutMs: number = scriptMs,
): Promise<RunResult> {
  return run('bash', ['-euo', 'pipefail', '-c', script], {
    env: {
      ...parts.env,
      STATE: mesh.stateDir,
      WORK: work,
      ...env,
      PATH: [env.PATH, parts.env.PATH].filter((each) => each !== undefined).join(':'),
    },
    timeoutMs,
    signal: parts.signal,
  });
}

/** Blocks of the page, one after the other in one shell. */
export const blocks = ({ page }: Bench, ...names: readonly string[]): string =>
  names.map((name) => page.block(name)).join('\n');

/** The standard output of a script that must end well. @throws with what it said otherwise */
export async function outputOf(...args: Parameters<typeof runScript>): Promise<string> {
  const { ok, ending, stdout, stderr } = await runScript(...args);
  if (!ok) throw new Error(`${ending}: ${stderr.slice(-1500)}${stdout.slice(-500)}`);
  return stdout;
}

/** What a person's calls carry, as the page's blocks name it. */
export interface Credentials extends Readonly<Record<string, string>> {
  readonly TOKEN: string;
  readonly ROUTE: string;
}

/** Logs the demo's user in by the page's own blocks. */
export async function logIn(bench: Bench): Promise<Credentials> {
  await outputOf(bench, blocks(bench, 'setup', 'curl-login'));
  const answer = JSON.parse(readFileSync(join(bench.work, 'login.json'), 'utf8')) as Record<string, unknown>;
  const { token, routeKey } = answer;
  if (typeof token !== 'string' || typeof routeKey !== 'string') {
    throw new Error(`Login answered ${JSON.stringify(answer)}`);
  }
  return { TOKEN: token, ROUTE: routeKey };
}
