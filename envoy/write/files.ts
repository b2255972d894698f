import { createHash } from 'node:crypto';
import { relative } from 'node:path';
import { bootstrapFile, envoyDir, type Folders, type XdsType, xdsFile } from '#compose/topology/paths.ts';
import type { RenderedPod, RenderedResource } from '../build/render.ts';

/** A file of a pod's Envoy folder: its path within, and its text. */
export type ConfigFiles = ReadonlyMap<string, string>;

/** What stands in which file. Pure; the same rendering gives the same bytes. */
export function configFiles(folders: Folders, rendered: RenderedPod): ConfigFiles {
  const { pod, xds } = rendered;
  const root = envoyDir(folders, pod);
  const files = new Map<string, string>();
  const put = (path: string, body: object) =>
    files.set(relative(root, path), `${JSON.stringify(body, null, 2)}\n`);
  put(bootstrapFile(folders, pod), rendered.bootstrap);
  for (const type of ['cds', 'lds'] as const) put(xdsFile(folders, pod, type), response(xds[type]));
  for (const type of ['sds', 'eds', 'rds'] as const)
    for (const resource of xds[type]) put(xdsFile(folders, pod, type, resource.name), response([resource]));
  return files;
}

/** An xDS answer. Its version is a digest of the content, so Envoy's admin tells what it has taken. */
export function response(resources: readonly RenderedResource[]): {
  version_info: string;
  resources: readonly object[];
} {
  const bodies = resources.map((resource) => resource.body);
  return { version_info: versionOf(bodies), resources: bodies };
}

export const versionOf = (bodies: readonly object[]): string =>
  createHash('sha256').update(JSON.stringify(bodies)).digest('hex').slice(0, 16);

/** Folder of a file within a pod's Envoy folder, as a resource type; undefined for the bootstrap. */
export function typeOf(path: string): XdsType | undefined {
  const [folder] = path.split('/');
  return folder === 'lds' || folder === 'cds' || folder === 'eds' || folder === 'rds' || folder === 'sds'
    ? folder
    : undefined;
}
