import { type Filter, fits } from './filter.ts';
import { type Attribute, find, isObject, type Json } from './schema.ts';
import { scimError } from './scim-error.ts';

/**
 * Steps that one PATCH may take, each a value that one term of a filter looks at, or that is copied: some 0.1 s, in
 * which the pod does nothing else. 50 filters over a group of 20,000 members.
 */
const maxSteps = 1_000_000;

/** What one PATCH costs, counted before it is done. */
export class Steps {
  #left = maxSteps;

  /** @throws SCIM_INVALID (tooMany) */
  take(count: number): void {
    this.#left -= count;
    if (this.#left >= 0) return;
    throw scimError(
      'tooMany',
      'these operations look at too many values: send fewer at once, and name members by `value eq` alone',
    );
  }
}

/** Values are told apart by their `value`. */
const keyOf = (each: Json): string => (isObject(each) ? String(each.value) : String(each));

/**
 * The values of one attribute while a PATCH goes on: a list, or by their keys from when one is added or named by its
 * key until a filter wants to look at each.
 */
export class PatchValues {
  readonly #attribute: Attribute;
  readonly #steps: Steps;
  #values: readonly Json[] | Map<string, Json>;

  constructor(attribute: Attribute, steps: Steps, before: Json | undefined) {
    this.#attribute = attribute;
    this.#steps = steps;
    this.#values = Array.isArray(before) ? before : [];
  }

  get list(): readonly Json[] {
    if (this.#values instanceof Map) {
      this.#steps.take(this.#values.size);
      this.#values = [...this.#values.values()];
    }
    return this.#values as readonly Json[];
  }

  set list(values: readonly Json[]) {
    this.#values = values;
  }

  get #byKey(): Map<string, Json> {
    if (!(this.#values instanceof Map)) {
      this.#steps.take(this.#values.length);
      this.#values = new Map(this.#values.map((each) => [keyOf(each), each]));
    }
    return this.#values;
  }

  /** The last of those with one key stays. */
  add(given: readonly Json[]): void {
    const byKey = this.#byKey;
    for (const each of given) byKey.set(keyOf(each), each);
  }

  remove(given: readonly Json[]): void {
    this.#removeKeys(given.map(keyOf));
  }

  removeFitting(filter: Filter): void {
    const keys = this.#keyed ? keysOf(filter) : undefined;
    if (keys !== undefined) {
      this.#removeKeys(keys);
      return;
    }
    const chosen = this.fitting(filter);
    this.list = this.list.filter((_, n) => !chosen[n]);
  }

  /** For each of the list whether it fits. */
  fitting(filter: Filter): readonly boolean[] {
    const { list } = this;
    this.#steps.take(list.length * termsOf(filter));
    return list.map((each) => fits(filter, each, this.#attribute.sub ?? []));
  }

  /** Each is what it was, or what `change` makes of it. */
  change(change: (each: Json, n: number) => Json): void {
    const { list } = this;
    this.#steps.take(list.length);
    this.list = list.map(change);
  }

  /** Members: case counts, and there is one of a key. Of others there may be two, one at home and one at work. */
  get #keyed(): boolean {
    return find(this.#attribute.sub ?? [], 'value')?.caseExact === true;
  }

  #removeKeys(keys: readonly string[]): void {
    if (this.#keyed) {
      for (const key of keys) this.#byKey.delete(key);
      return;
    }
    const gone = new Set(keys);
    this.#steps.take(this.list.length);
    this.list = this.list.filter((each) => !gone.has(keyOf(each)));
  }
}

const termsOf = (filter: Filter): number => {
  if (filter.is === 'and' || filter.is === 'or') return filter.all.reduce((n, each) => n + termsOf(each), 0);
  return filter.is === 'not' ? termsOf(filter.not) : 1;
};

/** Of `value eq "a" or value eq "b"` the keys; undefined: it is another filter. */
function keysOf(filter: Filter): readonly string[] | undefined {
  const keys: string[] = [];
  for (const each of filter.is === 'or' ? filter.all : [filter]) {
    if (each.is !== 'eq' || each.path.toLowerCase() !== 'value' || typeof each.value !== 'string') return;
    keys.push(each.value);
  }
  return keys;
}
