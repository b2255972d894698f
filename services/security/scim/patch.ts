/** PATCH of RFC 7644 3.5.2, with what Microsoft Entra and Okta make of it. */
import { bare, type Filter, fits, parseFilter } from './filter.ts';
import {
  type Attribute,
  find,
  isObject,
  type Json,
  type JsonObject,
  normalise,
  normaliseValue,
} from './schema.ts';
import { scimError } from './scim-error.ts';

type Op = 'add' | 'replace' | 'remove';
type Resource = Record<string, Json>;

interface Target {
  readonly attribute: Attribute;
  readonly filter: Filter | undefined;
  readonly sub: Attribute | undefined;
}

const maxOperations = 1000;

/** The resource after the operations of a PatchOp message; what it had is untouched. @throws SCIM_INVALID */
export function patched(attributes: readonly Attribute[], before: JsonObject, body: JsonObject): Resource {
  const operations = Object.entries(body).find(([name]) => name.toLowerCase() === 'operations')?.[1];
  if (!Array.isArray(operations) || operations.length === 0) {
    throw scimError('invalidSyntax', 'a PATCH has a list of Operations');
  }
  if (operations.length > maxOperations) {
    throw scimError('tooMany', `a PATCH has at most ${maxOperations} operations`);
  }
  const resource: Resource = { ...before };
  for (const each of operations as readonly Json[]) {
    if (!isObject(each)) throw scimError('invalidSyntax', 'an operation is an object');
    const op = String(each.op).toLowerCase();
    if (op !== 'add' && op !== 'replace' && op !== 'remove') {
      throw scimError('invalidSyntax', 'an operation is add, replace or remove');
    }
    operate(attributes, resource, op, each);
  }
  return resource;
}

function operate(
  attributes: readonly Attribute[],
  resource: Resource,
  op: Op,
  { path, value }: JsonObject,
): void {
  if (typeof path === 'string') {
    const target = targetOf(attributes, path);
    // Of what is not kept nothing changes.
    if (target !== undefined) apply(resource, op, target, value);
    return;
  }
  if (op === 'remove') throw scimError('noTarget', 'what is to be removed is named by a path');
  if (!isObject(value)) throw scimError('invalidValue', 'without a path the value is an object');
  // Entra has paths for names: `name.givenName`.
  for (const [name, each] of Object.entries(value)) {
    const target = targetOf(attributes, name);
    if (target !== undefined) apply(resource, op, target, each);
  }
}

/** Undefined: it is not kept. @throws SCIM_INVALID */
function targetOf(attributes: readonly Attribute[], path: string): Target | undefined {
  const [, name = '', filter, sub] = /^([\w$-]+)(?:\[(.*)\])?(?:\.([\w$-]+))?$/s.exec(bare(path)) ?? [];
  if (name === '') {
    if (/^urn:/i.test(path)) return undefined;
    throw scimError('invalidPath', `${path.slice(0, 100)} is no path`);
  }
  if (name.toLowerCase() === 'id') throw scimError('mutability', 'an id stays as it is');
  const attribute = find(attributes, name);
  if (attribute === undefined || attribute.readOnly) return undefined;
  const part = sub === undefined ? undefined : find(attribute.sub ?? [], sub);
  if (sub !== undefined && part === undefined) return undefined;
  if (filter !== undefined && !attribute.multi) {
    throw scimError('invalidPath', `${attribute.name} has one value, and nothing to choose from`);
  }
  return { attribute, filter: filter === undefined ? undefined : parseFilter(filter), sub: part };
}

function apply(resource: Resource, op: Op, target: Target, value: Json | undefined): void {
  const { attribute, sub } = target;
  if (op !== 'remove' && value === undefined) throw scimError('invalidValue', `${op} needs a value`);
  const changed = attribute.multi
    ? changedList(resource[attribute.name], op, target, value)
    : changedValue(resource[attribute.name], op, target, value);
  const empty = changed === undefined || changed === null || (Array.isArray(changed) && changed.length === 0);
  if (!empty) resource[attribute.name] = changed;
  else if (sub !== undefined || !attribute.required) delete resource[attribute.name];
  else throw scimError('invalidValue', `${attribute.name} must be there`);
}

function changedValue(
  before: Json | undefined,
  op: Op,
  { attribute, sub }: Target,
  value: Json | undefined,
): Json | undefined {
  const had = isObject(before) ? before : {};
  if (sub !== undefined) return withPart(had, op, sub, value);
  if (op === 'remove' || value === null || value === undefined) return undefined;
  const given = normaliseValue(attribute, value);
  return attribute.type === 'complex' && isObject(given) ? { ...had, ...given } : given;
}

function withPart(before: JsonObject, op: Op, sub: Attribute, value: Json | undefined): JsonObject {
  const after: Resource = { ...before };
  if (op === 'remove' || value === null || value === undefined) delete after[sub.name];
  else if (!sub.readOnly) after[sub.name] = normaliseValue(sub, value);
  return after;
}

/** Values are told apart by their `value`. */
const keyOf = (each: Json): string => (isObject(each) ? String(each.value) : String(each));

function changedList(
  before: Json | undefined,
  op: Op,
  { attribute, filter, sub }: Target,
  value: Json | undefined,
): readonly Json[] {
  const had: readonly Json[] = Array.isArray(before) ? before : [];
  const subs = attribute.sub ?? [];
  if (filter !== undefined) {
    const chosen = had.map((each) => fits(filter, each, subs));
    if (op === 'remove') {
      if (sub === undefined) return had.filter((_, n) => !chosen[n]);
      return had.map((each, n) => (chosen[n] ? withPart(each as JsonObject, op, sub, value) : each));
    }
    const change = (each: JsonObject): JsonObject => {
      if (sub !== undefined) return withPart(each, op, sub, value);
      return isObject(value) ? { ...each, ...normalise(subs, value) } : each;
    };
    if (chosen.includes(true)) return had.map((each, n) => (chosen[n] ? change(each as JsonObject) : each));
    // `emails[type eq "work"].value` makes the one that it names.
    if (filter.is !== 'eq') throw scimError('noTarget', `no value of ${attribute.name} is meant`);
    return [...had, change(normalise(subs, { [filter.path]: filter.value }))];
  }
  if (sub !== undefined) return had.map((each) => withPart(each as JsonObject, op, sub, value));
  const given =
    value === undefined || value === null ? [] : (normaliseValue(attribute, value) as readonly Json[]);
  if (op === 'replace') return distinct(given);
  if (op === 'add') return distinct([...had, ...given]);
  // Entra removes members by a value; without one all are meant.
  if (given.length === 0) return [];
  const gone = new Set(given.map(keyOf));
  return had.filter((each) => !gone.has(keyOf(each)));
}

function distinct(values: readonly Json[]): readonly Json[] {
  return [...new Map(values.map((each) => [keyOf(each), each])).values()];
}
