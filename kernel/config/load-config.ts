import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { readEnvironment } from './environment.ts';
import { explainIssues } from './explain-issues.ts';

/** Where a configuration comes from; a later one wins: schema defaults, file, environment, overrides. */
export interface ConfigSource {
  /** Path of a JSON or YAML file. */
  file?: string;
  /** Usually `process.env`; only variables that begin with `envPrefix` are looked at, and all of those must be fields. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Default `SALLYPORT_`. */
  envPrefix?: string;
  /** From the command line. */
  overrides?: Readonly<Record<string, unknown>>;
}

export type DeepReadonly<T> = T extends Uint8Array | ((...args: never[]) => unknown)
  ? T
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

const maxFileBytes = 4 * 2 ** 20;

/**
 * Reads, checks and freezes a configuration, once, at start. Nothing else reads the environment.
 * @throws SallyportError CONFIG_INVALID naming each wrong field, its rule and the value given (unless the
 * field is secret), and where the value came from.
 */
export function loadConfig<S extends z.ZodType>(schema: S, source: ConfigSource): DeepReadonly<z.output<S>> {
  const file = source.file === undefined ? {} : readConfigFile(source.file);
  const env = source.env ? readEnvironment(schema, source.env, source.envPrefix ?? 'SALLYPORT_') : {};
  const overrides = source.overrides ?? {};
  const input = merge(merge(file, env), overrides);
  const result = schema.safeParse(input, { reportInput: false });
  if (!result.success) {
    throw new SallyportError('CONFIG_INVALID', {
      message: explainIssues(schema, input, result.error.issues, [
        { name: 'the command line', values: overrides },
        { name: 'the environment', values: env },
        { name: source.file ?? 'the file', values: file },
      ]),
    });
  }
  return deepFreeze(result.data);
}

/**
 * A JSON or YAML file as plain values.
 * @throws SallyportError CONFIG_INVALID when it is absent, larger than 4 MiB or not well-formed; the text
 * of the file is never quoted.
 */
export function readConfigFile(path: string): unknown {
  let text: string;
  try {
    if (statSync(path).size > maxFileBytes) {
      throw new SallyportError('CONFIG_INVALID', { message: `${path} is larger than 4 MiB` });
    }
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new SallyportError('CONFIG_INVALID', { message: `${path} cannot be read: ${code}`, cause: error });
  }
  // What the runner writes for pods; YAML's seventy modules would cost each start a twentieth of its time.
  if (path.endsWith('.json')) {
    try {
      return JSON.parse(text) ?? {};
    } catch {
      // YAML, of which JSON is a part, says where it is wrong.
    }
  }
  const { LineCounter, parseDocument } = createRequire(import.meta.url)('yaml') as typeof import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const wrong = document.errors[0];
  if (wrong) {
    const { line, col } = lines.linePos(wrong.pos[0]);
    throw new SallyportError('CONFIG_INVALID', {
      message: `${path} is not well-formed at line ${line}, column ${col}: ${wrong.code}`,
    });
  }
  return document.toJS({ maxAliasCount: 100 }) ?? {};
}

function merge(base: unknown, over: unknown): unknown {
  if (!isPlain(base) || !isPlain(over)) return over === undefined ? base : over;
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) result[key] = merge(base[key], value);
  return result;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Freezes plain objects and arrays all the way down. */
export function deepFreeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const each of Object.values(value)) deepFreeze(each);
  }
  return value as DeepReadonly<T>;
}
