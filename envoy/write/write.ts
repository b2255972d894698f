import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrapFile, envoyDir, type Folders, xdsDir, xdsFile, xdsTypes } from '#compose/topology/paths.ts';
import type { RenderedPod, RenderedResource } from '../build/render.ts';
import type { JsonObject } from '../model/json.ts';
import { configFiles, response, typeOf } from './files.ts';
import { inlineFiles } from './inline-files.ts';

export interface WriteOptions {
  /**
   * Waits until a running Envoy has taken what was written so far; called between the steps of a change that
   * it must take in order. Without it the steps follow at once, which is right while no Envoy runs.
   */
  readonly settle?: () => Promise<void>;
}

export interface Written {
  /** Paths within the pod's Envoy folder whose content is new. */
  readonly changed: readonly string[];
  /** Files whose resource is no more. */
  readonly removed: readonly string[];
  /** True if the bootstrap changed, which a running Envoy does not read: it has to be started again. */
  readonly restart: boolean;
}

/**
 * Writes a pod's configuration where its sidecar reads it. Each file is replaced by a rename and only if its
 * content differs. A running Envoy takes it in an order that never leaves a route without its cluster or a
 * cluster without its endpoints: secrets and endpoints, then clusters (the old ones too), then listeners and
 * routes, then clusters without the old ones, then files that nobody reads any more go.
 *
 * Certificates and keys are read and written along, so it is called again once a new one was issued; then
 * nothing but the secret changes, and connections stay. New roots change clusters and listeners.
 * @throws CONFIG_INVALID if a certificate cannot be read; then nothing was written.
 */
export async function writePod(
  folders: Folders,
  named: RenderedPod,
  { settle = async () => {} }: WriteOptions = {},
): Promise<Written> {
  const rendered = inlineFiles(named);
  const { pod } = rendered;
  const root = envoyDir(folders, pod);
  for (const type of xdsTypes) mkdirSync(xdsDir(folders, pod, type), { recursive: true, mode: 0o700 });
  const files = configFiles(folders, rendered);
  const changed: string[] = [];
  const step = async (...types: readonly (string | undefined)[]) => {
    let some = false;
    for (const [path, text] of files)
      if (types.includes(typeOf(path)) && replace(join(root, path), text)) {
        changed.push(path);
        some = true;
      }
    if (some) await settle();
  };

  const restart = replace(bootstrapFile(folders, pod), files.get('bootstrap.json') ?? '');
  if (restart) changed.push('bootstrap.json');
  await step('sds', 'eds');
  const clusters = xdsFile(folders, pod, 'cds');
  const leaving = leavingClusters(clusters, rendered.xds.cds);
  if (leaving.length > 0) {
    replace(clusters, `${JSON.stringify(response([...rendered.xds.cds, ...leaving]), null, 2)}\n`);
    await settle();
    await step('lds', 'rds');
  }
  await step('cds');
  await step('lds', 'rds');
  return { changed, removed: removeStale(root, new Set(files.keys())), restart };
}

/** Clusters in the file that are not among the new ones. */
function leavingClusters(file: string, wanted: readonly RenderedResource[]): RenderedResource[] {
  const text = readIfThere(file);
  if (text === undefined) return [];
  const names = new Set(wanted.map((cluster) => cluster.name));
  const old = JSON.parse(text) as { resources: (JsonObject & { name: string })[] };
  return old.resources
    .filter((cluster) => !names.has(cluster.name))
    .map((body) => ({ name: body.name, body }));
}

function replace(path: string, text: string): boolean {
  if (readIfThere(path) === text) return false;
  // In the same folder, since a rename is atomic only within a file system, under a name that Envoy never reads.
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
  return true;
}

function removeStale(root: string, wanted: ReadonlySet<string>): string[] {
  const stale = xdsTypes.flatMap((type) =>
    readdirSync(join(root, type))
      .map((name) => join(type, name))
      .filter((path) => !wanted.has(path)),
  );
  for (const path of stale) rmSync(join(root, path), { force: true });
  return stale;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (e) {
    if (e instanceof Error && 'code' in e && e.code === 'ENOENT') return undefined;
    throw e;
  }
}
