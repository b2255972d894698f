import { z } from 'zod';
import { isSecret, schemasAlong, unwrap } from './describe-schema.ts';

/** One place that values came from, the strongest first. */
export interface Origin {
  readonly name: string;
  readonly values: unknown;
}

const shownIssues = 10;

/** What is wrong, a line per field: `sessions.leaseMs: must be …; given 5 (in the environment)`. */
export function explainIssues(
  schema: z.core.$ZodType,
  input: unknown,
  issues: readonly z.core.$ZodIssue[],
  origins: readonly Origin[],
): string {
  const lines = issues.slice(0, shownIssues).map((issue) => explain(schema, input, issue, origins));
  if (issues.length > shownIssues) lines.push(`and ${issues.length - shownIssues} more`);
  return lines.join('; ');
}

function explain(
  schema: z.core.$ZodType,
  input: unknown,
  issue: z.core.$ZodIssue,
  origins: readonly Origin[],
): string {
  const field = pathText(issue.path);
  const origin = origins.find(({ values }) => valueAt(values, issue.path) !== undefined);
  const from = origin ? ` (in ${origin.name})` : '';
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path);
    const names = issue.keys.map((key) => {
      const meant = closest(key, known);
      return `${pathText([...issue.path, key])}${meant === undefined ? '' : ` (did you mean ${meant}?)`}`;
    });
    return `unknown field ${names.join(', ')}${from}`;
  }
  const value = valueAt(input, issue.path);
  const rule = ruleOf(issue);
  if (value === undefined) return `${field}: is required (${rule})`;
  const shown = isSecret(schema, issue.path) ? 'a secret value' : show(value);
  return `${field}: ${rule}; given ${shown}${from}`;
}

/** A failed union says what each of its branches wanted at this place. */
function ruleOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const wants = issue.errors.flatMap((branch) =>
      branch.map((inner) => {
        const where = inner.path.length === 0 ? '' : `${pathText(inner.path)}: `;
        return `${where}${ruleOf(inner)}`;
      }),
    );
    return [...new Set(wants)].join(', or ');
  }
  return issue.message.replace(/^(?:Invalid input|Too small|Too big|Invalid option): /, '');
}

function show(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function pathText(path: readonly PropertyKey[]): string {
  const text = path.reduce<string>(
    (all, key) =>
      typeof key === 'number' ? `${all}[${key}]` : all === '' ? String(key) : `${all}.${String(key)}`,
    '',
  );
  return text === '' ? 'the configuration' : text;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let at = root;
  for (const key of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = Reflect.get(at, key);
  }
  return at;
}

function knownKeys(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const last = schemasAlong(schema, path)[path.length];
  const inner = last && unwrap(last).schema;
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

/** The known name within two edits, if there is one. */
export function closest(name: string, known: readonly string[]): string | undefined {
  let best: { name: string; distance: number } | undefined;
  for (const each of known) {
    const distance = editDistance(name.toLowerCase().slice(0, 60), each.toLowerCase());
    if (distance <= 2 && (!best || distance < best.distance)) best = { name: each, distance };
  }
  return best?.name;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
