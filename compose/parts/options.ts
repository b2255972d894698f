import { homedir } from 'node:os';
import path from 'node:path';

/** Environment variables as they come from the composition root; this folder never reads `process.env`. */
export type Env = Readonly<Record<string, string | undefined>>;

/** How parts are looked for. */
export interface PartsOptions {
  /** Folder for what is fetched. Default `$XDG_CACHE_HOME/sallyport`, else `~/.cache/sallyport`. */
  readonly cacheDir?: string | undefined;
  /** Read: PATH, ENVOY_BIN, MYSQL_HOME, MYSQL_DEB_MIRROR, XDG_CACHE_HOME, HOME; handed on to pip and apt. */
  readonly env: Env;
  /** Gets one line (no newline) for each thing that a waiting person would want to know. */
  readonly progress: (line: string) => void;
  /** Ends child processes, removes what is half done, and rejects with code ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

/** Where a part came from: an explicit path, PATH, an earlier fetch, or a fetch just now. */
export type PartSource = 'explicit' | 'path' | 'cache' | 'fetched';

/** The cache folder as an absolute path. A relative XDG_CACHE_HOME is ignored, as the XDG specification says. */
export function cacheDirOf(o: PartsOptions): string {
  if (o.cacheDir !== undefined) return path.resolve(o.cacheDir);
  const xdg = o.env.XDG_CACHE_HOME;
  if (xdg !== undefined && path.isAbsolute(xdg)) return path.join(xdg, 'sallyport');
  return path.join(o.env.HOME || homedir(), '.cache', 'sallyport');
}

/** `linux-x64` and the like: one home folder may serve machines of several kinds. */
export const PLATFORM_KEY = `${process.platform}-${process.arch}`;
