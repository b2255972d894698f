import { join } from 'node:path';
import { firstOnPath } from '#compose/parts/executables.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { run } from '#compose/parts/run.ts';
import { assertFetched, cachedFolder, missing } from './cached-folder.ts';

const names = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'];
const script = join(import.meta.dirname, 'fetch-chromium.sh');

/** A Chromium: the one of CHROMIUM_BIN, of PATH, of the cache, or Debian's headless shell unpacked there. */
export async function findChromium(o: PartsOptions): Promise<string> {
  const { CHROMIUM_BIN: given } = o.env;
  if (given !== undefined && given !== '') return given;
  const installed = await firstOnPath(names, o.env);
  if (installed !== undefined) return installed;
  const bash = await firstOnPath(['bash'], o.env);
  if (bash === undefined) throw missing('bash');
  const dir = await cachedFolder(
    {
      name: 'chromium',
      works: async (folder) => {
        const program = join(folder, 'chromium');
        return (await run(program, ['--version'], { env: o.env, timeoutMs: 60_000, signal: o.signal })).ok;
      },
      fetch: async (folder) => {
        const onLine = (line: string): void => o.progress(`Chromium: ${line}`);
        const options = { env: o.env, timeoutMs: 15 * 60_000, signal: o.signal, onLine };
        assertFetched('Chromium', await run(bash, [script, folder], options));
      },
    },
    o,
  );
  return join(dir, 'chromium');
}
