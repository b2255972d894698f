import { createHash } from 'node:crypto';
import { firstOnPath } from '#compose/parts/executables.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { run } from '#compose/parts/run.ts';
import { assertFetched, cachedFolder, missing } from './cached-folder.ts';

/**
 * A folder for PYTHONPATH that has the packages, such as `grpcio==1.2.3`, for the python3 of PATH; from the
 * cache, or put there by pip. Wheels only: nothing is compiled here.
 * @param modules what they are imported as, such as `grpc`
 */
export async function pythonPackages(
  specs: readonly string[],
  modules: readonly string[],
  o: PartsOptions,
): Promise<string> {
  const python = await firstOnPath(['python3'], o.env);
  if (python === undefined) throw missing('python3');
  const version = await run(python, ['--version'], { env: o.env, timeoutMs: 30_000, signal: o.signal });
  const key = createHash('sha256')
    .update([version.stdout, ...specs].join(' '))
    .digest('hex')
    .slice(0, 8);
  return cachedFolder(
    {
      name: `python-${key}`,
      works: async (dir) => {
        const env = { ...o.env, PYTHONPATH: dir };
        return (
          await run(python, ['-c', `import ${modules.join(', ')}`], {
            env,
            timeoutMs: 60_000,
            signal: o.signal,
          })
        ).ok;
      },
      fetch: async (dir) => {
        const quiet = ['--no-input', '--disable-pip-version-check', '--quiet', '--no-warn-script-location'];
        const args = ['-m', 'pip', 'install', '--target', dir, '--only-binary', ':all:', ...quiet, ...specs];
        const result = await run(python, args, { env: o.env, timeoutMs: 5 * 60_000, signal: o.signal });
        assertFetched(specs.join(' '), result);
      },
    },
    o,
  );
}
