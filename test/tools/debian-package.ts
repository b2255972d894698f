import { join } from 'node:path';
import { firstOnPath } from '#compose/parts/executables.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { run } from '#compose/parts/run.ts';
import { assertFetched, cachedFolder } from './cached-folder.ts';

const script = join(import.meta.dirname, 'fetch-debs.sh');

/**
 * A folder of the cache whose `root` is the unpacked package; undefined where there is no apt.
 * @param works whether the programs in that folder run on this machine
 * @throws PartsError when it cannot be fetched
 */
export async function debianPackage(
  name: string,
  works: (folder: string) => Promise<boolean>,
  o: PartsOptions,
): Promise<string | undefined> {
  const bash = await firstOnPath(['bash'], o.env);
  const apt = await firstOnPath(['apt-get'], o.env);
  if (bash === undefined || apt === undefined) return undefined;
  const fetch = async (folder: string): Promise<void> => {
    const onLine = (line: string): void => o.progress(`${name}: ${line}`);
    const options = { env: o.env, timeoutMs: 15 * 60_000, signal: o.signal, onLine };
    assertFetched(name, await run(bash, [script, folder, name], options));
  };
  return cachedFolder({ name, works, fetch }, o);
}
