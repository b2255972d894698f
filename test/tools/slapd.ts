import { join } from 'node:path';
import type { PartsOptions } from '#compose/parts/options.ts';
import { run } from '#compose/parts/run.ts';
import { missing } from './cached-folder.ts';
import { debianPackage } from './debian-package.ts';

/** OpenLDAP's server, unpacked. */
export interface Slapd {
  /** Also slapadd, by its name (`-T add`). */
  readonly bin: string;
  readonly schemaDir: string;
  readonly moduleDir: string;
  /** What its processes need of the environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Debian's slapd, of the cache or fetched. @throws PartsError when it cannot be had */
export async function findSlapd(o: PartsOptions): Promise<Slapd> {
  const works = async (folder: string): Promise<boolean> => {
    const { bin, env } = slapdIn(folder);
    const told = await run(bin, ['-VV'], { env: { ...o.env, ...env }, timeoutMs: 20_000, signal: o.signal });
    return told.stderr.includes('OpenLDAP');
  };
  const dir = await debianPackage('slapd', works, o);
  if (dir === undefined) throw missing('slapd (OpenLDAP)');
  return slapdIn(dir);
}

function slapdIn(folder: string): Slapd {
  const root = join(folder, 'root');
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  return {
    bin: join(root, 'usr/sbin/slapd'),
    schemaDir: join(root, 'etc/ldap/schema'),
    moduleDir: join(root, 'usr/lib/ldap'),
    env: { LD_LIBRARY_PATH: join(root, `usr/lib/${arch}-linux-gnu`) },
  };
}
