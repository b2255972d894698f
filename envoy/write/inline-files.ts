import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SallyportError } from '#core/errors/error.ts';
import type { RenderedPod } from '../build/render.ts';
import { isObject, type JsonObject, withFields } from '../model/json.ts';

/** Fields of TLS contexts and secrets that hold a certificate or a key. */
const pemFields: ReadonlySet<string> = new Set(['certificate_chain', 'private_key', 'trusted_ca']);

/**
 * A pod's configuration with the content of certificate and key files in the place of their names. Envoy
 * would watch a file that a secret names, each with an inotify instance of its own, and read key and
 * certificate one after the other; so they are of one version and change by one rename.
 * @throws CONFIG_INVALID if a file cannot be read.
 */
export function inlineFiles(rendered: RenderedPod): RenderedPod {
  const read = pemReader();
  const inline = (resources: RenderedPod['xds']['sds']) =>
    resources.map(({ name, body }) => ({ name, body: inlineFilesIn(body, read) }));
  const { sds, cds, lds } = rendered.xds;
  return { ...rendered, xds: { ...rendered.xds, sds: inline(sds), cds: inline(cds), lds: inline(lds) } };
}

/** The same for one resource, or a whole answer of resources. */
export const inlineFilesIn = (body: JsonObject, read = pemReader()): JsonObject =>
  withFields(body, (field, value) =>
    pemFields.has(field) && isObject(value) && typeof value.filename === 'string'
      ? { inline_string: read(value.filename) }
      : undefined,
  ) as JsonObject;

/** Reads each file once, and all files of a folder from what it was at first, though `current` be swapped meanwhile. */
function pemReader(): (path: string) => string {
  const folders = new Map<string, string>();
  const texts = new Map<string, string>();
  const once = (known: Map<string, string>, key: string, make: () => string): string => {
    const value = known.get(key) ?? make();
    known.set(key, value);
    return value;
  };
  return (path) =>
    once(texts, path, () => {
      try {
        const folder = once(folders, dirname(path), () => realpathSync(dirname(path)));
        return readFileSync(join(folder, basename(path)), 'utf8');
      } catch (cause) {
        throw new SallyportError('CONFIG_INVALID', {
          message: `${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
          hint: 'a pod’s certificate is issued before its sidecar’s configuration is written',
          cause,
        });
      }
    });
}
