import { isObject, type Json, type JsonObject } from '../model/json.ts';

/** Every object in a value, with the field that holds it (of a list: the list's field), outermost first. */
export function* objectsIn(value: Json, field = ''): Generator<{ field: string; object: JsonObject }> {
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) yield* objectsIn(item, field);
    return;
  }
  if (!isObject(value)) return;
  const object = value as JsonObject;
  yield { field, object };
  for (const [name, inner] of Object.entries(object)) yield* objectsIn(inner, name);
}

/** A field's objects: those of a list, or the one; none for anything else. */
export function objectsAt(object: JsonObject, field: string): JsonObject[] {
  const value = object[field];
  const list = Array.isArray(value) ? (value as readonly Json[]) : [value];
  return list.filter((each): each is JsonObject => isObject(each));
}

/** The object at the end of a way of fields; undefined if there is none. */
export function objectAt(from: JsonObject, ...fields: readonly string[]): JsonObject | undefined {
  let at: JsonObject | undefined = from;
  for (const field of fields) {
    const next: Json | undefined = at?.[field];
    at = isObject(next) ? (next as JsonObject) : undefined;
  }
  return at;
}

export const textAt = (object: JsonObject | undefined, field: string): string | undefined => {
  const value = object?.[field];
  return typeof value === 'string' ? value : undefined;
};
