import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PartsError } from '#compose/parts/errors.ts';
import { withLock } from '#compose/parts/lock.ts';
import { cacheDirOf, type PartsOptions, PLATFORM_KEY } from '#compose/parts/options.ts';
import { type RunResult, tail } from '#compose/parts/run.ts';
import { isComplete, replaceFolder, withTempFolder } from '#compose/parts/temp-folder.ts';

export interface CachedFolder {
  /** Of the folder in the cache; names the version too. */
  readonly name: string;
  /** Whether what is there works on this machine still. */
  readonly works: (dir: string) => Promise<boolean>;
  /** Puts it into an empty folder. */
  readonly fetch: (dir: string) => Promise<void>;
}

/**
 * A folder of the cache with a tool in it, fetched if it is not there or does not work; whole or not there.
 * @throws PartsError when it cannot be had
 */
export async function cachedFolder(tool: CachedFolder, o: PartsOptions): Promise<string> {
  const dir = join(cacheDirOf(o), 'tools', `${tool.name}-${PLATFORM_KEY}`);
  const good = async (): Promise<boolean> => isComplete(dir) && (await tool.works(dir));
  if (await good()) return dir;
  return withLock(`${dir}.lock`, `fetching ${tool.name}`, o, async () => {
    if (await good()) return dir;
    o.progress(`fetching ${tool.name}`);
    await withTempFolder(dir, async (tmp) => {
      const out = join(tmp, 'out');
      await mkdir(out);
      await tool.fetch(out);
      await replaceFolder(out, dir, tmp);
    });
    if (await tool.works(dir)) return dir;
    throw new PartsError('FETCHED_PART_BROKEN', `the fetched ${tool.name} does not run`, {
      hint: 'Install it yourself, so that PATH has it.',
    });
  });
}

/** @throws FETCH_FAILED with the end of what the client said */
export function assertFetched(what: string, result: RunResult): void {
  if (result.ok) return;
  throw new PartsError(
    'FETCH_FAILED',
    `${what} could not be fetched (${result.ending}): ${tail(result.stderr)}`,
    {
      hint: 'See whether this machine reaches the registry, or install the tool so that PATH has it.',
    },
  );
}

/** @throws TOOL_MISSING */
export function missing(tool: string): PartsError {
  return new PartsError('TOOL_MISSING', `${tool} is not on PATH`, { hint: `Install ${tool}.` });
}
