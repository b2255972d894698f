import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { SallyportError } from '#core/errors/error.ts';
import type { RenderedPod } from '#envoy/build/render.ts';
import { watchedFiles } from '#envoy/build/watched-files.ts';

/**
 * Looks whether the sidecars will get the inotify instances by which they watch their files. Linux allows a
 * user 128 by default (inotify(7), /proc/sys/fs/inotify/max_user_instances), and an Envoy that gets none
 * aborts without a word about limits. Elsewhere than on Linux there is nothing to look at.
 * @throws START_FAILED with what to set.
 */
export function checkInotify(
  sidecars: readonly RenderedPod[],
  {
    proc = '/proc',
    uid = process.getuid?.() ?? userInfo().uid,
    besides = [],
  }: {
    readonly proc?: string;
    readonly uid?: number;
    /** What runs already and is counted as in use. */
    readonly besides?: readonly RenderedPod[];
  } = {},
): void {
  const limit = Number(
    readIfAllowed(() => readFileSync(join(proc, 'sys/fs/inotify/max_user_instances'), 'utf8')),
  );
  if (!Number.isInteger(limit)) return;
  const instances = (all: readonly RenderedPod[]): number =>
    all.reduce((sum, sidecar) => sum + inotifyInstances(sidecar), 0);
  const needed = Math.max(0, instances(sidecars) - instances(besides));
  const inUse = inotifyInUse(proc, uid);
  if (inUse + needed <= limit) return;
  throw new SallyportError('START_FAILED', {
    message: `the sidecars need up to ${needed} inotify instances; of ${limit} that this user may have, ${inUse} are in use`,
    hint: `sudo sysctl -w fs.inotify.max_user_instances=${Math.max(512, 2 * (inUse + needed))}`,
  });
}

/** How many a sidecar needs at most: endpoints are subscribed to twice while their cluster is being changed. */
const inotifyInstances = (sidecar: RenderedPod): number =>
  watchedFiles(sidecar).size + sidecar.xds.eds.length;

/** How many the user's processes hold, as far as they may be looked into. */
export function inotifyInUse(proc: string, uid: number): number {
  const processes = readdirSync(proc).filter((name) => /^\d+$/.test(name));
  return processes
    .filter((pid) => readIfAllowed(() => statSync(join(proc, pid)).uid) === uid)
    .reduce((sum, pid) => sum + inotifyOf(pid, proc), 0);
}

/** How many one process holds. */
export function inotifyOf(pid: number | string, proc = '/proc'): number {
  const folder = join(proc, `${pid}`, 'fd');
  return (readIfAllowed(() => readdirSync(folder)) ?? []).filter(
    (fd) => readIfAllowed(() => readlinkSync(join(folder, fd))) === 'anon_inode:inotify',
  ).length;
}

/** What `read` gives, or undefined: processes end while they are looked at, and some are not for us to see. */
function readIfAllowed<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && 'code' in error && /^(ENOENT|ESRCH|EACCES|EPERM)$/.test(String(error.code)))
      return undefined;
    throw error;
  }
}
