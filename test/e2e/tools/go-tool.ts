import { dirname, join } from 'node:path';
import { firstOnPath, isExecutable } from '#compose/parts/executables.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { run } from '#compose/parts/run.ts';
import { assertFetched, cachedFolder, missing } from './cached-folder.ts';

const buildMs = 9 * 60_000;

/** The `go` command. @throws TOOL_MISSING */
export async function findGo(o: PartsOptions): Promise<string> {
  const go = await firstOnPath(['go'], o.env);
  if (go === undefined) throw missing('go');
  return go;
}

/**
 * The folder that has a program written in Go: on PATH, in the cache, or built by `go install`.
 * @param spec such as `example.com/cmd/tool@v1.2.3`
 */
export async function goTool(spec: string, o: PartsOptions): Promise<string> {
  const [path = '', version = ''] = spec.split('@');
  const name = path.slice(path.lastIndexOf('/') + 1);
  const installed = await firstOnPath([name], o.env);
  if (installed !== undefined) return dirname(installed);
  return cachedFolder(
    {
      name: `${name}-${version}`,
      works: (dir) => isExecutable(join(dir, name)),
      fetch: async (dir) => {
        const env = { ...o.env, GOBIN: dir };
        const result = await run(await findGo(o), ['install', spec], {
          env,
          timeoutMs: buildMs,
          signal: o.signal,
        });
        assertFetched(name, result);
      },
    },
    o,
  );
}
