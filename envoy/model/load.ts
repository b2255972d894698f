import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { z } from 'zod';
import type { PodRole } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { explainIssues } from '#kernel/config/explain-issues.ts';
import { isObject } from './json.ts';
import { knobHint } from './nearest-knob.ts';
import { type Patch, patchFileSchema } from './patch.ts';
import { type BackendTuning, type MeshModel, meshSchema, type Tuning } from './schema.ts';

/** The shipped file: every knob with its default. */
export const shippedMeshFile = join(import.meta.dirname, '..', 'mesh.yaml');
export const shippedPatchesDir = join(import.meta.dirname, '..', 'patches');

/**
 * A mesh.yaml as a model. The text may name only what differs: the rest is taken from the shipped file.
 * CONFIG_INVALID names the field, the rule and the file.
 */
export function parseMesh(text: string, source: string): MeshModel {
  const shipped = readYaml(readFileSync(shippedMeshFile, 'utf8'), shippedMeshFile);
  const given = readYaml(text, source) ?? {};
  return check(meshSchema, overlay(shipped, given), source, given);
}

/** Reads {@link parseMesh}'s text from a file; without one, the shipped defaults. */
export const loadMesh = (file: string = shippedMeshFile): MeshModel =>
  parseMesh(readFileSync(file, 'utf8'), file);

/** The patches of a folder, in the order of their file names; CONFIG_INVALID as above. */
export function loadPatches(dir: string = shippedPatchesDir): readonly Patch[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .flatMap((name) => parsePatches(readFileSync(join(dir, name), 'utf8'), join(dir, name)));
}

export const parsePatches = (text: string, source: string): readonly Patch[] =>
  check(patchFileSchema, readYaml(text, source) ?? [], source).map((patch) => ({ ...patch, source }));

/** The common sections with a role's own values laid over them. */
export function tuningOf(model: MeshModel, role: PodRole): Tuning {
  const own = model.roles[role] ?? {};
  return {
    sidecar: { ...model.sidecar, ...defined(own.sidecar) },
    connections: { ...model.connections, ...defined(own.connections) },
    health: { ...model.health, ...defined(own.health) },
    outlier: { ...model.outlier, ...defined(own.outlier) },
    retries: { ...model.retries, ...defined(own.retries) },
  };
}

/** The values for one cluster of backends. */
export function backendTuningOf(model: MeshModel, cluster: string): BackendTuning {
  const { clusters, ...common } = model.backends;
  return { ...common, ...defined(clusters[cluster]) };
}

/** Characters of a file of knobs or patches. The runner reads them, too, and looks after nothing else meanwhile. */
const maxLength = 262_144;

function readYaml(text: string, source: string): unknown {
  if (text.length > maxLength) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${source} has ${text.length} characters; ${maxLength} are the most`,
    });
  }
  try {
    return parse(text, { strict: true, uniqueKeys: true });
  } catch (cause) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${source} is no YAML: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    });
  }
}

function check<S extends z.ZodType>(schema: S, value: unknown, source: string, given = value): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { issues } = result.error;
  throw new SallyportError('CONFIG_INVALID', {
    message: explainIssues(schema, value, issues, [{ name: source, values: given }]),
    hint:
      knobHint(issues) ??
      'envoy/mesh.yaml has every knob with its unit and range; envoy/patches/README.md explains patches',
    cause: result.error,
  });
}

/** `over` laid over `base`: objects are merged field by field, everything else is replaced. */
function overlay(base: unknown, over: unknown): unknown {
  if (!isObject(base) || !isObject(over)) return over;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over))
    merged[key] = key in base ? overlay(base[key], value) : value;
  return merged;
}

/** Without fields that are undefined, which would hide a default. */
function defined<T extends object>(value: T | undefined): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value ?? {}).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
