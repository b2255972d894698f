import { join } from 'node:path';
import { executablesOnPath } from '#compose/parts/executables.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { run } from '#compose/parts/run.ts';
import { missing } from './cached-folder.ts';
import { debianPackage } from './debian-package.ts';

export interface Spin {
  readonly bin: string;
  /** Such as `6.5.2`. */
  readonly version: string;
}

/**
 * The model checker spin 6.5 or a later 6: of SPIN_BIN or PATH, of the cache, or Debian's package unpacked there.
 * Other programs have that name too.
 * @throws PartsError when it cannot be had
 */
export async function findSpin(o: PartsOptions): Promise<Spin> {
  const { SPIN_BIN: given } = o.env;
  const candidates = given ? [given] : await executablesOnPath('spin', o.env);
  for (const bin of candidates) {
    const version = await versionOf(bin, o);
    if (version !== undefined) return { bin, version };
    o.progress(`not using ${bin}: it is not the model checker spin 6.5 or a later 6`);
  }
  const binIn = (folder: string): string => join(folder, 'root', 'usr', 'bin', 'spin');
  const dir = given
    ? undefined
    : await debianPackage('spin', async (folder) => (await versionOf(binIn(folder), o)) !== undefined, o);
  if (dir === undefined) throw missing('spin 6.5 (spinroot.com)');
  return { bin: binIn(dir), version: (await versionOf(binIn(dir), o)) ?? '' };
}

async function versionOf(bin: string, o: PartsOptions): Promise<string | undefined> {
  const told = await run(bin, ['-V'], { env: o.env, timeoutMs: 20_000, signal: o.signal });
  // "Spin Version 6.5.2 -- 6 December 2019"
  return /^Spin Version (6\.(?:[5-9]|[1-9]\d)\.\d+)\b/m.exec(told.ok ? told.stdout : '')?.[1];
}
