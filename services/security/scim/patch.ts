/** PATCH of RFC 7644 3.5.2, with what Microsoft Entra and Okta make of it. */
import { bare, type Filter, parseFilter } from './filter.ts';
import { PatchValues, Steps } from './patch-values.ts';
import {
  type Attribute,
  assertCount,
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

interface Patch {
  readonly attributes: readonly Attribute[];
  readonly resource: Resource;
  /** Of attributes with several values what they are by now. */
  readonly lists: Map<Attribute, PatchValues>;
  readonly steps: Steps;
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
  const patch: Patch = { attributes, resource: { ...before }, lists: new Map(), steps: new Steps() };
  for (const each of operations as readonly Json[]) {
    if (!isObject(each)) throw scimError('invalidSyntax', 'an operation is an object');
    const op = typeof each.op === 'string' ? each.op.toLowerCase() : '';
    if (op !== 'add' && op !== 'replace' && op !== 'remove') {
      throw scimError('invalidSyntax', 'an operation is add, replace or remove');
    }
    operate(patch, op, each);
  }
  for (const [attribute, { list }] of patch.lists) {
    const had = before[attribute.name];
    // Where there are too many already, some can still be taken away.
    if (!Array.isArray(had) || list.length > had.length) assertCount(attribute, list.length);
    keep(patch.resource, attribute, list);
  }
  return patch.resource;
}

function operate(patch: Patch, op: Op, { path, value }: JsonObject): void {
  if (typeof path === 'string') {
    const target = targetOf(patch.attributes, path);
    // Of what is not kept nothing changes.
    if (target !== undefined) apply(patch, op, target, value);
    return;
  }
  if (op === 'remove') throw scimError('noTarget', 'what is to be removed is named by a path');
  if (!isObject(value)) throw scimError('invalidValue', 'without a path the value is an object');
  // Entra has paths for names: `name.givenName`.
  for (const [name, each] of Object.entries(value)) {
    const target = targetOf(patch.attributes, name);
    if (target !== undefined) apply(patch, op, target, each);
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

function apply(patch: Patch, op: Op, target: Target, value: Json | undefined): void {
  const { attribute, sub } = target;
  const { resource, lists } = patch;
  if (op !== 'remove' && value === undefined) throw scimError('invalidValue', `${op} needs a value`);
  const before = resource[attribute.name];
  if (attribute.multi) {
    const values = lists.get(attribute) ?? new PatchValues(attribute, patch.steps, before);
    lists.set(attribute, values);
    changeList(values, op, target, value);
    return;
  }
  const changed = changedValue(before, op, target, value);
  if (changed === undefined && attribute.required && sub === undefined) {
    throw scimError('invalidValue', `${attribute.name} must be there`);
  }
  keep(resource, attribute, changed);
}

/** An empty list is the same as nothing. */
function keep(resource: Resource, { name }: Attribute, value: Json | undefined): void {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) delete resource[name];
  else resource[name] = value;
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

function changeList(values: PatchValues, op: Op, target: Target, value: Json | undefined): void {
  const { attribute, filter, sub } = target;
  if (filter !== undefined) {
    changeFitting(values, filter, op, target, value);
    return;
  }
  if (sub !== undefined) {
    values.change((each) => withPart(each as JsonObject, op, sub, value));
    return;
  }
  const given =
    value === undefined || value === null ? [] : (normaliseValue(attribute, value) as readonly Json[]);
  // Entra removes members by a value; without one all are meant.
  if (op === 'remove' && given.length > 0) {
    values.remove(given);
    return;
  }
  if (op !== 'add') values.list = [];
  values.add(given);
}

function changeFitting(
  values: PatchValues,
  filter: Filter,
  op: Op,
  { attribute, sub }: Target,
  value: Json | undefined,
): void {
  if (op === 'remove' && sub === undefined) {
    values.removeFitting(filter);
    return;
  }
  const subs = attribute.sub ?? [];
  const change = (each: JsonObject): JsonObject => {
    if (sub !== undefined) return withPart(each, op, sub, value);
    return isObject(value) ? { ...each, ...normalise(subs, value) } : each;
  };
  const chosen = values.fitting(filter);
  if (op === 'remove' || chosen.includes(true)) {
    values.change((each, n) => (chosen[n] ? change(each as JsonObject) : each));
    return;
  }
  // `emails[type eq "work"].value` makes the one that it names.
  if (filter.is !== 'eq') throw scimError('noTarget', `no value of ${attribute.name} is meant`);
  values.list = [...values.list, change(normalise(subs, { [filter.path]: filter.value }))];
}
