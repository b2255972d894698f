import { z } from 'zod';
import { podRoles } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { isObject, type Json } from './json.ts';

export const patchableTypes = [
  'Bootstrap',
  'Listener',
  'Cluster',
  'ClusterLoadAssignment',
  'RouteConfiguration',
  'Secret',
] as const;

const json: z.ZodType<Json> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(json), z.record(z.string(), json)]),
);

export const patchFileSchema = z.array(
  z.strictObject({
    match: z.strictObject({
      type: z.enum(patchableTypes),
      name: z.string().optional(),
      role: z.enum(podRoles).optional(),
      pod: z.string().optional(),
    }),
    at: z.array(z.union([z.string(), z.int().min(0)])).optional(),
    merge: json,
  }),
);

/** One entry of envoy/patches/*.yaml (see the README there), and the file it stands in. */
export type Patch = z.output<typeof patchFileSchema>[number] & { readonly source: string };
export type PatchableType = (typeof patchableTypes)[number];

/** What a patch is matched against. */
export interface PatchTarget {
  readonly type: PatchableType;
  readonly name: string;
  readonly role: string;
  readonly pod: string;
}

/** True if every part of `match` that is given fits; `name` may hold `*` for any run of characters. */
export function patchMatches({ match }: Patch, target: PatchTarget): boolean {
  return (
    match.type === target.type &&
    (match.name === undefined || glob(match.name).test(target.name)) &&
    (match.role === undefined || match.role === target.role) &&
    (match.pod === undefined || match.pod === target.pod)
  );
}

const glob = (pattern: string) =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((s) => s.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
      .join('.*')}$`,
  );

/** The resource with the patch merged in at its place; CONFIG_INVALID if the place does not exist. */
export function applyPatch(resource: Json, patch: Patch): Json {
  return at(resource, patch.at ?? [], patch);
}

function at(value: Json, steps: readonly (string | number)[], patch: Patch): Json {
  const [step, ...rest] = steps;
  if (step === undefined) return merge(value, patch.merge);
  if (Array.isArray(value)) {
    const items: readonly Json[] = value;
    const wanted =
      typeof step === 'string' && step.startsWith('name=') ? step.slice('name='.length) : undefined;
    const index =
      wanted === undefined ? Number(step) : items.findIndex((item) => isObject(item) && item.name === wanted);
    const item = items[index];
    if (item === undefined) throw missing(patch, step);
    return items.map((other, n) => (n === index ? at(item, rest, patch) : other));
  }
  const field = isObject(value) ? (value as Record<string, Json>)[step] : undefined;
  if (field === undefined) throw missing(patch, step);
  return { ...(value as Record<string, Json>), [step]: at(field, rest, patch) };
}

const missing = (patch: Patch, step: string | number) =>
  new SallyportError('CONFIG_INVALID', {
    message: `${patch.source}: there is no ${JSON.stringify(step)} on the way ${JSON.stringify(patch.at)}`,
    hint: 'compare with what `sallyport mesh render` writes, or with envoy/golden',
  });

/** JSON merge patch, RFC 7386: objects are merged, null removes, everything else (lists too) replaces. */
export function merge(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged: Record<string, Json> = { ...(isObject(target) ? (target as Record<string, Json>) : {}) };
  for (const [key, value] of Object.entries(patch as Record<string, Json>)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
}
