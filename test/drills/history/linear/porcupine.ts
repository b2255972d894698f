import { createHash } from 'node:crypto';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isExecutable } from '#compose/parts/executables.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { run } from '#compose/parts/run.ts';
import { withTempFolder } from '#compose/parts/temp-folder.ts';
import { assertFetched, cachedFolder } from '../../../tools/cached-folder.ts';
import { findGo } from '../../../tools/go-tool.ts';

const source = join(import.meta.dirname, 'porcupine');
const buildMs = 9 * 60_000;

/**
 * The checker built on github.com/anishathalye/porcupine, from the cache or built from `porcupine/`.
 * @throws PartsError TOOL_MISSING (no Go), FETCH_FAILED
 */
export async function findPorcupine(o: PartsOptions): Promise<string> {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum', 'main.go']) hash.update(await readFile(join(source, file)));
  const dir = await cachedFolder(
    {
      name: `porcupine-${hash.digest('hex').slice(0, 12)}`,
      works: (folder) => isExecutable(join(folder, 'porcupine')),
      fetch: (folder) =>
        withTempFolder(join(folder, 'build'), async (tmp) => {
          await cp(source, tmp, { recursive: true });
          const args = ['-C', tmp, 'build', '-o', join(folder, 'porcupine'), '.'];
          const options = { env: o.env, timeoutMs: buildMs, signal: o.signal };
          assertFetched('the linearizability checker', await run(await findGo(o), args, options));
        }),
    },
    o,
  );
  return join(dir, 'porcupine');
}
