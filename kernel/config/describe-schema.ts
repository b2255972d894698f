import { z } from 'zod';
import { formatBytes, formatDuration } from './primitives.ts';

/** One field of a configuration, for documentation and for finding it in the environment. */
export interface FieldDescription {
  /** Dotted: `sessions.leaseMs`; `<name>` stands for a key of the user's choice, `[]` for each element. */
  readonly path: string;
  /** `duration`, `bytes`, `port`, `string`, `number`, `boolean`, `one of a, b`, … */
  readonly type: string;
  readonly description: string | undefined;
  readonly unit: string | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** As it would be written; undefined when the field must be given or may be left out. */
  readonly default: string | undefined;
  readonly optional: boolean;
  readonly secret: boolean;
}

type AnySchema = z.core.$ZodType;

interface Unwrapped {
  readonly schema: AnySchema;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly optional: boolean;
  readonly default: unknown;
}

/** Every field of a schema, in its order. What it shows follows from `.meta({ description, unit, … })`. */
export function describeSchema(schema: AnySchema, path = ''): FieldDescription[] {
  const field = unwrap(schema);
  const inner = field.schema;
  if (field.meta.kind === undefined) {
    if (inner instanceof z.ZodObject) {
      return Object.entries(inner.shape).flatMap(([key, value]) =>
        describeSchema(value, path === '' ? key : `${path}.${key}`),
      );
    }
    if (inner instanceof z.ZodRecord) return describeSchema(inner.valueType, `${path}.<name>`);
    if (inner instanceof z.ZodArray && !isLeaf(inner.element)) {
      return describeSchema(inner.element, `${path}[]`);
    }
  }
  return [describeLeaf(field, path)];
}

/** The schema without its wrappers (optional, default, readonly, pipe), and what they said. The outermost wins. */
export function unwrap(schema: AnySchema): Unwrapped {
  let meta: Record<string, unknown> = {};
  let optional = false;
  let fallback: unknown;
  let at = schema;
  for (;;) {
    meta = { ...z.globalRegistry.get(at), ...meta };
    if (at instanceof z.ZodOptional || at instanceof z.ZodNullable) {
      optional = true;
      at = at.def.innerType;
    } else if (at instanceof z.ZodDefault || at instanceof z.ZodPrefault) {
      fallback ??= at.def.defaultValue;
      at = at.def.innerType;
    } else if (at instanceof z.ZodReadonly) {
      at = at.def.innerType;
    } else if (at instanceof z.ZodPipe) {
      at = at.def.in instanceof z.ZodTransform ? at.def.out : at.def.in;
    } else {
      return { schema: at, meta, optional, default: fallback };
    }
  }
}

/** The schemas from the root to the value at `path`, as far as they can be told. */
export function schemasAlong(schema: AnySchema, path: readonly PropertyKey[]): AnySchema[] {
  const along = [schema];
  let at = unwrap(schema).schema;
  for (const key of path) {
    let next: AnySchema | undefined;
    if (at instanceof z.ZodObject) next = at.shape[String(key)];
    else if (at instanceof z.ZodRecord) next = at.valueType;
    else if (at instanceof z.ZodArray) next = at.element;
    if (!next) break;
    along.push(next);
    at = unwrap(next).schema;
  }
  return along;
}

/**
 * Whether a value at `path` must not be shown: it lies in a secret field, or a secret was expected
 * somewhere below (somebody may have written it one level too high).
 */
export function isSecret(schema: AnySchema, path: readonly PropertyKey[]): boolean {
  const along = schemasAlong(schema, path);
  const last = along.at(-1);
  return along.some((each) => unwrap(each).meta.secret === true) || (last !== undefined && holdsSecret(last));
}

function holdsSecret(schema: AnySchema): boolean {
  const { schema: inner, meta } = unwrap(schema);
  if (meta.secret === true) return true;
  if (inner instanceof z.ZodObject) return Object.values(inner.shape).some(holdsSecret);
  if (inner instanceof z.ZodRecord) return holdsSecret(inner.valueType);
  if (inner instanceof z.ZodArray) return holdsSecret(inner.element);
  if (inner instanceof z.ZodUnion) return inner.options.some(holdsSecret);
  return false;
}

function isLeaf(schema: AnySchema): boolean {
  const { schema: inner, meta } = unwrap(schema);
  return meta.kind !== undefined || !(inner instanceof z.ZodObject || inner instanceof z.ZodRecord);
}

function describeLeaf(field: Unwrapped, path: string): FieldDescription {
  const { meta } = field;
  const secret = meta.secret === true;
  const inner = field.schema;
  const bounds = inner instanceof z.ZodNumber ? inner : undefined;
  return {
    path,
    type: typeName(field),
    description: textOf(meta.description),
    unit: textOf(meta.unit),
    min: numberOf(meta.min ?? bounds?.minValue),
    max: numberOf(meta.max ?? bounds?.maxValue),
    default: secret || field.default === undefined ? undefined : show(field.default, meta.kind),
    optional: field.optional || field.default !== undefined,
    secret,
  };
}

function typeName({ schema, meta }: Unwrapped): string {
  const kind = textOf(meta.kind);
  if (kind !== undefined) return kind;
  if (schema instanceof z.ZodEnum) return `one of ${schema.options.join(', ')}`;
  if (schema instanceof z.ZodLiteral) return `one of ${[...schema.values].join(', ')}`;
  if (schema instanceof z.ZodArray) return `list of ${typeName(unwrap(schema.element))}`;
  if (schema instanceof z.ZodUnion) {
    return schema.options.map((option) => typeName(unwrap(option))).join(' or ');
  }
  return schema._zod.def.type;
}

function show(value: unknown, kind: unknown): string {
  if (typeof value === 'number' && kind === 'duration') return formatDuration(value);
  if (typeof value === 'number' && kind === 'bytes') return formatBytes(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : undefined;
}
