import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { LaunchOf } from '#compose/runner/programs.ts';

const tree = join(import.meta.dirname, '..', '..', '..');

/** N: the newest release tag that this tree comes from; undefined while there is none. */
export function newestRelease(): string | undefined {
  try {
    const args = ['describe', '--tags', '--abbrev=0', '--match', 'v[0-9]*'];
    return execFileSync('git', args, {
      cwd: tree,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    // No tag, or no repository at all: git says so by its exit code.
    return undefined;
  }
}

/** The code of a release in a folder of its own, with the packages of this tree. */
export function unpackRelease(tag: string): { readonly root: string; remove(): void } {
  const root = mkdtempSync(join(tmpdir(), 'sp-release-'));
  try {
    const files = execFileSync('git', ['archive', tag], { cwd: tree, maxBuffer: 2 ** 30 });
    execFileSync('tar', ['-x', '-C', root], { input: files });
    symlinkSync(join(tree, 'node_modules'), join(root, 'node_modules'));
  } catch (error) {
    rmSync(root, { recursive: true, force: true });
    throw error;
  }
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** What pods are started from. */
export interface Release {
  /** The tree of N while pods are to run that, where it is another one. */
  root: string | undefined;
  /** N's tree, to which a mesh that has been upgraded goes back. */
  old: string | undefined;
  /** How many migrations N+1 has that this tree has not. */
  migrations: number;
}

/** What the pods of this drill's mesh are started from; there is one such mesh at a time. */
export const release: Release = { root: undefined, old: undefined, migrations: 0 };

/** All that runs code of ours, in the order of `sallyport restart --all`. */
const all = ['db', 'security', 'backend', 'proxy'];
/** What differs from before when N is this tree. */
const differing = ['security', 'proxy'];

export const upgradedTiers = (): string[] => (release.old === undefined ? differing : all);

/** Starts pods from the release that is the one at that moment. */
export const launchFrom =
  (release: Release): LaunchOf =>
  ({ role }) => ({
    ...(release.root !== undefined && { root: release.root }),
    nodeArgs:
      role === 'security' && release.migrations > 0 ? ['--import', withMigrations(release.migrations)] : [],
  });

function withMigrations(count: number): string {
  const url = pathToFileURL(join(import.meta.dirname, 'newer.ts'));
  url.searchParams.set('migrations', String(count));
  return url.href;
}
