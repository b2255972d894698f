import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  bootstrapFile,
  type Folders,
  logFile,
  type XdsType,
  xdsDir,
  xdsTypes,
} from '#compose/topology/paths.ts';
import { type Refusal, refusalsIn } from '../check/refusals.ts';
import type { Subscription } from './subscriptions.ts';
import { readTail } from './tail.ts';

/**
 * - `SYNCED`: the sidecar runs with what is on disk
 * - `STALE`: it does not, and has not said why (yet)
 * - `NACK`: it has refused what is on disk and goes on with what it had
 */
export type SyncState = 'SYNCED' | 'STALE' | 'NACK';

/** One resource file and what the sidecar has made of it. */
export interface Synchronised {
  readonly type: XdsType;
  /** Name of the file: the resource, or `cds` and `lds`. */
  readonly resource: string;
  readonly state: SyncState;
  /** Version on disk; empty if the file is gone. */
  readonly wanted: string;
  /** Version that the sidecar runs with; empty if it has none. */
  readonly version: string;
  /** When it last took one, in ms since 1970; 0 for never. */
  readonly takenAt: number;
  /** Updates refused since its start. */
  readonly refused: number;
  /** Why it refuses what is on disk; empty otherwise. */
  readonly reason: string;
}

/** Compares the files of a pod with what its sidecar says of its subscriptions. */
export function synchronised(
  folders: Folders,
  pod: string,
  subscriptions: readonly Subscription[],
): Synchronised[] {
  const wanted = versionsOnDisk(folders, pod);
  let told: readonly Refusal[] | undefined;
  return subscriptions.map(({ type, resource, version, rejected, failed, takenAt }) => {
    const want = wanted.get(`${type}/${fileOf(resource)}`) ?? '';
    const refused = rejected + failed;
    const state: SyncState = want === version && version !== '' ? 'SYNCED' : refused > 0 ? 'NACK' : 'STALE';
    if (state === 'NACK') told ??= refusalsIn(readTail(logFile(folders, pod, 'envoy')));
    const reason = state === 'NACK' ? reasonOf(told ?? [], type, resource) : '';
    return { type, resource, state, wanted: want, version, takenAt, refused, reason };
  });
}

/** The latest that is about the resource; the latest of all where the log does not tell. */
function reasonOf(told: readonly Refusal[], type: XdsType, resource: string): string {
  const ofType = told.filter((each) => each.type === type);
  const own = ofType.filter((each) => each.resource === resource || each.resource === fileOf(resource));
  return (own.at(-1) ?? ofType.at(-1) ?? told.at(-1))?.reason ?? 'its envoy.log does not tell why';
}

const fileOf = (resource: string): string => resource.replaceAll('/', '.');

/** `type/file` → the version in it. A file that is being replaced, or is no JSON, has none. */
function versionsOnDisk(folders: Folders, pod: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const type of xdsTypes) {
    const dir = xdsDir(folders, pod, type);
    if (!existsSync(dir)) continue;
    for (const file of readdirSync(dir)) {
      if (!file.endsWith('.json')) continue;
      const version = /"version_info": "([^"]*)"/.exec(readFileSync(join(dir, file), 'utf8'))?.[1];
      found.set(`${type}/${file.slice(0, -'.json'.length)}`, version ?? '');
    }
  }
  return found;
}

/** Whether the bootstrap on disk is newer than the process that has read one: it needs to be started again. */
export const bootstrapIsNewer = (folders: Folders, pod: string, startedAt: number): boolean => {
  const file = bootstrapFile(folders, pod);
  return existsSync(file) && statSync(file).mtimeMs > startedAt;
};
