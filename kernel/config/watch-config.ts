import { statSync } from 'node:fs';
import type { z } from 'zod';
import type { Clock, Timer } from '#kernel/time/clock.ts';
import { type DeepReadonly, loadConfig } from './load-config.ts';

export interface WatchConfigOptions<S extends z.ZodType> {
  /** Path of the file. Replaced by renaming: it is never read half-written. */
  readonly file: string;
  readonly clock: Clock;
  /** Milliseconds between two looks; default 250. */
  readonly everyMs?: number;
  /** A new configuration, whole and valid. */
  readonly onChange: (config: DeepReadonly<z.output<S>>) => void;
  /** The file is missing or wrong: what was read last stays in force. Told once for each version of it. */
  readonly onBad: (error: unknown) => void;
}

/**
 * Looks at a configuration file again and again, and reads it when it is another one. Looking works where
 * watching does not: on mounted ConfigMaps and network file systems. It costs a stat(2).
 */
export function watchConfig<S extends z.ZodType>(schema: S, o: WatchConfigOptions<S>): Timer {
  let seen = versionOf(o.file);
  return o.clock.setRepeating(o.everyMs ?? 250, () => {
    const now = versionOf(o.file);
    if (now === seen) return;
    seen = now;
    let config: DeepReadonly<z.output<S>>;
    try {
      config = loadConfig(schema, { file: o.file });
    } catch (error) {
      o.onBad(error);
      return;
    }
    o.onChange(config);
  });
}

/** Another file, or other content, has another one. */
function versionOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? 'none' : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
}
