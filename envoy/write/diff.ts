import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { bootstrapFile, type Folders, type XdsType, xdsDir, xdsTypes } from '#compose/topology/paths.ts';
import type { RenderedPod } from '../build/render.ts';
import { isObject, type Json, type JsonObject } from '../model/json.ts';
import { inlineFiles } from './inline-files.ts';

/** One place in a resource that would be different. */
export interface FieldChange {
  /** `filter_chains[0].filters[1].name` */
  readonly path: string;
  /** In a few characters; `(a key)` for what is secret; undefined if it is not there. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** One resource that would be different. */
export interface ResourceChange {
  readonly type: XdsType | 'bootstrap';
  readonly name: string;
  readonly how: 'added' | 'removed' | 'changed';
  readonly fields: readonly FieldChange[];
}

/** What taking a change in means for what goes on; the first line is the gravest. */
export const effects: Readonly<Record<ResourceChange['type'], string>> = {
  bootstrap: 'the sidecar must be started again',
  lds: 'connections of the listener are asked to close, and closed after sidecar.drain_time',
  cds: 'the cluster is built anew, and checked before it is used; calls that go on end on the old connections',
  rds: 'later calls are routed anew; nothing that goes on is touched',
  eds: 'later calls go to the new endpoints; nothing that goes on is touched',
  sds: 'later connections use it; nothing that goes on is touched',
};

/** Between what is on disk, which the sidecar reads, and a rendering. @throws CONFIG_INVALID as writePod */
export function diffPod(folders: Folders, rendered: RenderedPod): ResourceChange[] {
  const { pod, xds, bootstrap } = inlineFiles(rendered);
  const changes: ResourceChange[] = [];
  const compare = (
    type: ResourceChange['type'],
    name: string,
    before?: JsonObject,
    after?: JsonObject,
  ): void => {
    if (isDeepStrictEqual(before, after)) return;
    const how = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed';
    changes.push({ type, name, how, fields: how === 'changed' ? fieldChanges(before, after) : [] });
  };
  compare('bootstrap', pod, readObject(bootstrapFile(folders, pod)), bootstrap);
  for (const type of xdsTypes) {
    const before = onDisk(folders, pod, type);
    const after = new Map(xds[type].map(({ name, body }) => [name, body]));
    for (const name of new Set([...before.keys(), ...after.keys()]))
      compare(type, name, before.get(name), after.get(name));
  }
  return changes;
}

function onDisk(folders: Folders, pod: string, type: XdsType): ReadonlyMap<string, JsonObject> {
  const dir = xdsDir(folders, pod, type);
  const files = existsSync(dir) ? readdirSync(dir).filter((file) => file.endsWith('.json')) : [];
  const resources = files.flatMap((file) => readObject(join(dir, file))?.resources ?? []);
  return new Map((resources as JsonObject[]).map((body) => [String(body.name ?? body.cluster_name), body]));
}

const readObject = (path: string): JsonObject | undefined =>
  existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as JsonObject) : undefined;

/** The deepest places at which two values differ, in the order of the second. */
export function fieldChanges(before: Json | undefined, after: Json | undefined, path = ''): FieldChange[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) return listChanges(before, after, path);
  if (isObject(before) && isObject(after)) {
    const [old, now] = [before as JsonObject, after as JsonObject];
    return [...new Set([...Object.keys(now), ...Object.keys(old)])].flatMap((field) =>
      fieldChanges(old[field], now[field], path === '' ? field : `${path}.${field}`),
    );
  }
  const secret = /(^|\.)private_key(\.|$)/.test(path);
  const show = (value: Json | undefined) =>
    value === undefined ? undefined : secret ? '(a key)' : brief(value);
  return [{ path, before: show(before), after: show(after) }];
}

/** Of a longer or a shorter list: what was taken out, by its old place, and what was put in, by its new one. */
function listChanges(before: readonly Json[], after: readonly Json[], path: string): FieldChange[] {
  if (before.length === after.length)
    return after.flatMap((each, n) => fieldChanges(before[n], each, `${path}[${n}]`));
  const unlike = (list: readonly Json[], other: readonly Json[]) =>
    list.flatMap((each, n) => (other.some((one) => isDeepStrictEqual(one, each)) ? [] : [n]));
  const [gone, come] = [unlike(before, after), unlike(after, before)];
  const changes = [
    ...gone.flatMap((n) => fieldChanges(before[n], undefined, `${path}[${n}]`)),
    ...come.flatMap((n) => fieldChanges(undefined, after[n], `${path}[${n}]`)),
  ];
  // The same things, some of them more often or in another order.
  return changes.length > 0
    ? changes
    : [{ path, before: `${before.length} items`, after: `${after.length} items` }];
}

/** Certificates and lists are long; where they differ is told by the path. */
function brief(value: Json): string {
  const text = typeof value === 'string' ? value.replaceAll('\n', ' ') : JSON.stringify(withoutKeys(value));
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

function withoutKeys(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(withoutKeys);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value as Record<string, Json>).map(([field, inner]) => [
      field,
      field === 'private_key' ? '(a key)' : withoutKeys(inner),
    ]),
  );
}
