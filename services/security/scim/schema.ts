/**
 * What is kept of users and groups (RFC 7643 4.1, 4.2): whatever else a client sends is of no use here, so it is
 * not stored.
 */
import { scimError } from './scim-error.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

export interface Attribute {
  readonly name: string;
  readonly type: 'string' | 'boolean' | 'complex';
  readonly multi?: true;
  readonly required?: true;
  readonly unique?: true;
  readonly caseExact?: true;
  /** Told, never taken. */
  readonly readOnly?: true;
  readonly about: string;
  readonly sub?: readonly Attribute[];
}

export type Kind = 'User' | 'Group';

export const schemaOf = (kind: Kind): string => `urn:ietf:params:scim:schemas:core:2.0:${kind}`;

const text = (name: string, about: string, more: Partial<Attribute> = {}): Attribute => ({
  name,
  type: 'string',
  about,
  ...more,
});

const externalId = text('externalId', 'What the client calls it.', { unique: true, caseExact: true });

export const attributesOf: Readonly<Record<Kind, readonly Attribute[]>> = {
  User: [
    text('userName', 'The name to log in with.', { required: true, unique: true }),
    externalId,
    {
      name: 'name',
      type: 'complex',
      about: 'The parts of the name.',
      sub: [
        text('formatted', 'All of it.'),
        text('familyName', 'Last name.'),
        text('givenName', 'First name.'),
      ],
    },
    text('displayName', 'The name to show.'),
    { name: 'active', type: 'boolean', about: 'false ends the sessions and lets nobody log in.' },
    {
      name: 'emails',
      type: 'complex',
      multi: true,
      about: 'Addresses.',
      sub: [
        text('value', 'The address.'),
        text('type', 'work, home.'),
        { name: 'primary', type: 'boolean', about: 'The one to use.' },
      ],
    },
    {
      name: 'groups',
      type: 'complex',
      multi: true,
      readOnly: true,
      about: 'Groups that name the user.',
      sub: [text('value', 'Id of the group.'), text('display', 'Its name.')],
    },
  ],
  Group: [
    text('displayName', 'Its name, as policies call it.', { required: true, unique: true }),
    externalId,
    {
      name: 'members',
      type: 'complex',
      multi: true,
      about: 'Users, and groups whose members are meant, too.',
      sub: [
        text('value', 'Id of the user or group.', { caseExact: true }),
        text('display', 'Its name.', { readOnly: true }),
        text('type', 'User or Group.', { readOnly: true }),
      ],
    },
  ],
};

/** What is asked for at `/Users` or `/Groups`, in any case. */
export const kindAt = (endpoint: string): Kind | undefined =>
  (Object.keys(attributesOf) as Kind[]).find((kind) => `${kind}s`.toLowerCase() === endpoint.toLowerCase());

/** Whether it can be the id of a resource: other text is not even looked for, for the column holds ASCII only. */
export const isId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);

export const find = (attributes: readonly Attribute[], name: string): Attribute | undefined =>
  attributes.find((each) => each.name.toLowerCase() === name.toLowerCase());

const maxText = 1024;
const maxValues = 20;
const maxMembers = 20_000;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What is kept of a resource, its attributes spelt as above. @throws SCIM_INVALID */
export function normalise(attributes: readonly Attribute[], value: JsonObject): Record<string, Json> {
  const kept: Record<string, Json> = {};
  for (const [name, each] of Object.entries(value)) {
    const attribute = find(attributes, name);
    // Null and an empty list are the same as nothing (RFC 7643 2.5).
    if (attribute === undefined || attribute.readOnly || each === null) continue;
    const read = normaliseValue(attribute, each);
    if (Array.isArray(read) && read.length === 0) continue;
    kept[attribute.name] = read;
  }
  return kept;
}

/** @throws SCIM_INVALID */
export function normaliseValue(attribute: Attribute, value: Json): Json {
  if (!attribute.multi) return single(attribute, value);
  const values = Array.isArray(value) ? value : [value];
  assertCount(attribute, values.length);
  return values.map((each) => single(attribute, each));
}

/** @throws SCIM_INVALID */
export function assertCount({ name }: Attribute, count: number): void {
  const most = name === 'members' ? maxMembers : maxValues;
  if (count > most) throw scimError('tooMany', `${name} has more than ${most} values`);
}

function single(attribute: Attribute, value: Json): Json {
  const { name, type, sub = [] } = attribute;
  const wrong = (what: string): Error => scimError('invalidValue', `${name} is to be ${what}`);
  if (type === 'complex') {
    // Some clients give the value alone.
    if (typeof value === 'string' && find(sub, 'value')) return normalise(sub, { value });
    if (!isObject(value)) throw wrong('an object');
    return normalise(sub, value);
  }
  if (type === 'boolean') {
    // Microsoft Entra says "False".
    const said = typeof value === 'string' ? value.toLowerCase() : value;
    if (said === true || said === 'true') return true;
    if (said === false || said === 'false') return false;
    throw wrong('true or false');
  }
  if (typeof value !== 'string') throw wrong('text');
  if (value.length > maxText) throw wrong(`at most ${maxText} characters long`);
  if (/\p{Cc}/u.test(value)) throw wrong('without control characters');
  if (!value.isWellFormed()) throw wrong('whole characters, and no half of a surrogate pair');
  return value;
}
