/** Filters of RFC 7644 3.4.2.2: read, and looked at on values. What of the database fits is filter-sql.ts's to say. */
import { type Attribute, find, isObject, type Json, type JsonObject } from './schema.ts';
import { scimError } from './scim-error.ts';

const comparisons = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const;
export type Comparison = (typeof comparisons)[number];

export type Filter =
  | { readonly is: 'and' | 'or'; readonly all: readonly Filter[] }
  | { readonly is: 'not'; readonly not: Filter }
  | { readonly is: 'present'; readonly path: string }
  | { readonly is: Comparison; readonly path: string; readonly value: string | boolean | number | null }
  /** `emails[type eq "work"]` */
  | { readonly is: 'some'; readonly path: string; readonly of: Filter };

const maxLength = 1000;
const maxDepth = 20;
const token = /\s*("(?:[^"\\]|\\.)*"|[()[\]]|[^\s()[\]"]+)/y;

/** An attribute's path, without the schema that it may be given with: `urn:…:User:userName` is `userName`. */
export const bare = (path: string): string => path.replace(/^urn:[\w:.-]+:(?=[A-Za-z$])/i, '');

/** @throws SCIM_INVALID */
export function parseFilter(text: string): Filter {
  const wrong = (what: string): Error => scimError('invalidFilter', `the filter ${what}`);
  if (text.length > maxLength) throw wrong(`is longer than ${maxLength} characters`);
  const tokens: string[] = [];
  token.lastIndex = 0;
  const trimmed = text.trim();
  while (token.lastIndex < trimmed.length) {
    const found = token.exec(trimmed);
    if (found?.[1] === undefined) throw wrong('cannot be read');
    tokens.push(found[1]);
  }
  let at = 0;
  const peek = (): string => (tokens[at] ?? '').toLowerCase();
  const expect = (what: string): void => {
    if (tokens[at] !== what) throw wrong(`lacks a ${what}`);
    at += 1;
  };
  const list = (is: 'and' | 'or', next: (depth: number) => Filter, depth: number): Filter => {
    const all = [next(depth)];
    while (peek() === is) {
      at += 1;
      all.push(next(depth));
    }
    const [first] = all;
    return all.length === 1 && first !== undefined ? first : { is, all };
  };
  const either = (depth: number): Filter => {
    if (depth > maxDepth) throw wrong('is nested too deeply');
    return list('or', (d) => list('and', one, d), depth);
  };
  const inside = (open: '(' | '[', depth: number): Filter => {
    expect(open);
    const filter = either(depth + 1);
    expect(open === '(' ? ')' : ']');
    return filter;
  };
  const one = (depth: number): Filter => {
    if (peek() === '(') return inside('(', depth);
    if (peek() === 'not' && tokens[at + 1] === '(') {
      at += 1;
      return { is: 'not', not: inside('(', depth) };
    }
    const name = bare(tokens[at] ?? '');
    if (!/^[A-Za-z$][\w$.-]*$/.test(name)) throw wrong('lacks an attribute');
    at += 1;
    if (peek() === '[') return { is: 'some', path: name, of: inside('[', depth) };
    const op = peek();
    at += 1;
    if (op === 'pr') return { is: 'present', path: name };
    const is = comparisons.find((each) => each === op);
    if (is === undefined) throw wrong(`has no operator after ${name}`);
    return { is, path: name, value: literal(tokens[at++] ?? '', wrong) };
  };
  const filter = either(0);
  if (at < tokens.length) throw wrong('goes on after its end');
  return filter;
}

function literal(text: string, wrong: (what: string) => Error): string | boolean | number | null {
  try {
    const value: unknown = JSON.parse(/^(true|false|null)$/i.test(text) ? text.toLowerCase() : text);
    // Half of a surrogate pair is no text.
    if (typeof value === 'string' && value.isWellFormed()) return value;
    if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  } catch {
    // Told below.
  }
  throw wrong('has a value that is neither text in quotes, nor true, false, null or a number');
}

/** Whether a value, such as one of a list, fits. */
export function fits(filter: Filter, value: Json, attributes: readonly Attribute[]): boolean {
  switch (filter.is) {
    case 'and':
      return filter.all.every((each) => fits(each, value, attributes));
    case 'or':
      return filter.all.some((each) => fits(each, value, attributes));
    case 'not':
      return !fits(filter.not, value, attributes);
    case 'some':
      throw scimError('invalidFilter', 'a filter of values holds no other one');
    default: {
      const attribute = find(attributes, filter.path);
      const found = attribute && isObject(value) ? (value as JsonObject)[attribute.name] : undefined;
      if (filter.is === 'present') return found !== undefined;
      return compare(filter.is, found ?? null, filter.value, attribute?.caseExact === true);
    }
  }
}

function compare(is: Comparison, found: Json, wanted: Json, caseExact: boolean): boolean {
  const fold = (each: Json): Json => (typeof each === 'string' && !caseExact ? each.toLowerCase() : each);
  const [a, b] = [fold(found), fold(wanted)];
  if (is === 'eq') return a === b;
  if (is === 'ne') return a !== b;
  if (typeof a !== 'string' || typeof b !== 'string') return false;
  if (is === 'co') return a.includes(b);
  if (is === 'sw') return a.startsWith(b);
  if (is === 'ew') return a.endsWith(b);
  throw scimError('invalidFilter', `${is} does not compare such values`);
}
