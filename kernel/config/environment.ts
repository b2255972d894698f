import type { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { describeSchema, type FieldDescription } from './describe-schema.ts';

/** The variable that sets a field: prefix `SALLYPORT_` and `sessions.leaseMs` give `SALLYPORT_SESSIONS__LEASE_MS`. */
export function variableOf(prefix: string, path: string): string {
  const name = path
    .split('.')
    .map((part) => part.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase())
    .join('__');
  return `${prefix}${name}`;
}

/**
 * The fields that the environment sets, as a nested object. Numbers, booleans and lists are read as JSON
 * where the schema wants them; everything else is taken as text.
 * @throws SallyportError CONFIG_INVALID for a variable with this prefix that names no field: a typing
 * error must not silently leave the default in force.
 */
export function readEnvironment(
  schema: z.core.$ZodType,
  env: Readonly<Record<string, string | undefined>>,
  prefix: string,
): Record<string, unknown> {
  const fields = new Map<string, FieldDescription>(
    describeSchema(schema)
      .filter((field) => !/[<[]/.test(field.path))
      .map((field) => [variableOf(prefix, field.path), field]),
  );
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !name.startsWith(prefix)) continue;
    const field = fields.get(name);
    if (!field) {
      throw new SallyportError('CONFIG_INVALID', {
        message: `the environment variable ${name} sets no field of the configuration`,
        hint: `known: ${[...fields.keys()].slice(0, 40).join(', ')}`,
      });
    }
    const parts = field.path.split('.');
    let at = result;
    for (const key of parts.slice(0, -1)) {
      at[key] ??= {};
      at = at[key] as Record<string, unknown>;
    }
    at[parts.at(-1) ?? ''] = readValue(field, value);
  }
  return result;
}

function readValue(field: FieldDescription, text: string): unknown {
  if (!/^(?:number|int|boolean|port|list of .*|.* or .*)$/.test(field.type)) return text;
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: the schema's own check then says what it wanted instead.
    return text;
  }
}
