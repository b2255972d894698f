import { type RawBuilder, sql } from 'kysely';
import { canonicalUser } from '../directory/users.ts';
import { type Comparison, type Filter, parseFilter } from './filter.ts';
import type { Kind } from './schema.ts';
import { scimError } from './scim-error.ts';

type Condition = RawBuilder<boolean>;

/** How an attribute is looked for: where it is, and as what a filter's value is compared with it. */
interface Place {
  readonly at: RawBuilder<unknown>;
  readonly as: 'exact' | 'id' | 'folded' | 'name' | 'boolean' | 'time';
}

const inBody = (path: string): Place => ({
  at: sql`lower(json_unquote(json_extract(r.body, ${sql.lit(`$.${path}`)})))`,
  as: 'folded',
});
const common: Readonly<Record<string, Place>> = {
  id: { at: sql`r.id`, as: 'id' },
  externalid: { at: sql`r.external_id`, as: 'exact' },
  'meta.created': { at: sql`r.created_ms`, as: 'time' },
  'meta.lastmodified': { at: sql`r.updated_ms`, as: 'time' },
  displayname: inBody('displayName'),
};
const places: Readonly<Record<Kind, Readonly<Record<string, Place>>>> = {
  User: {
    ...common,
    username: { at: sql`r.key_name`, as: 'name' },
    active: { at: sql`r.active`, as: 'boolean' },
    'name.formatted': inBody('name.formatted'),
    'name.familyname': inBody('name.familyName'),
    'name.givenname': inBody('name.givenName'),
  },
  Group: { ...common, displayname: { at: sql`r.key_name`, as: 'name' } },
};

/** Attributes with several values: rows in which one of them is looked for. */
interface Many {
  readonly from: RawBuilder<unknown>;
  readonly parts: Readonly<Record<string, Place>>;
}
const folded = (at: RawBuilder<unknown>): Place => ({ at: sql`lower(${at})`, as: 'folded' });
const manies: Readonly<Record<Kind, Readonly<Record<string, Many>>>> = {
  User: {
    emails: {
      from: sql`json_table(r.body, '$.emails[*]' columns (
        value varchar(1024) character set utf8mb4 path '$.value',
        type varchar(1024) character set utf8mb4 path '$.type',
        prime json path '$.primary')) e where true`,
      parts: {
        value: folded(sql`e.value`),
        type: folded(sql`e.type`),
        primary: { at: sql`(e.prime = true)`, as: 'boolean' },
      },
    },
    groups: {
      from: sql`scim_members m where m.source = r.source and m.member_id = r.id`,
      parts: { value: { at: sql`m.group_id`, as: 'id' } },
    },
  },
  Group: {
    members: {
      from: sql`scim_members m where m.source = r.source and m.group_id = r.id`,
      parts: { value: { at: sql`m.member_id`, as: 'id' } },
    },
  },
};

/** What fits a filter among rows `r` of scim_resources. @throws SCIM_INVALID */
export const filterCondition = (kind: Kind, text: string): Condition =>
  condition(kind, parseFilter(text), places[kind]);

function condition(kind: Kind, filter: Filter, at: Readonly<Record<string, Place>>): Condition {
  switch (filter.is) {
    case 'and':
    case 'or': {
      const all = filter.all.map((each) => condition(kind, each, at));
      return sql<boolean>`(${sql.join(all, filter.is === 'and' ? sql` and ` : sql` or `)})`;
    }
    case 'not':
      // What is not there does not fit, and so fits the opposite.
      return sql<boolean>`not coalesce(${condition(kind, filter.not, at)}, false)`;
    case 'some': {
      const many = own(manies[kind], filter.path.toLowerCase());
      if (many === undefined) throw unknown(filter.path);
      return sql<boolean>`exists (select 1 from ${many.from} and ${condition(kind, filter.of, many.parts)})`;
    }
    default: {
      const path = filter.path.toLowerCase();
      const [name = '', part = 'value'] = path.split('.');
      const many = at === places[kind] ? own(manies[kind], name) : undefined;
      const place = many === undefined ? own(at, path) : own(many.parts, part);
      if (place === undefined) throw unknown(filter.path);
      const fits =
        filter.is === 'present'
          ? sql<boolean>`${place.at} is not null`
          : compared(place, filter.is, filter.value, filter.path);
      return many === undefined ? fits : sql<boolean>`exists (select 1 from ${many.from} and ${fits})`;
    }
  }
}

/** Not what every object has: a client may ask for `constructor`. */
const own = <T>(of: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(of, name) ? of[name] : undefined;

const unknown = (path: string): Error =>
  scimError('invalidFilter', `${path.slice(0, 100)} is nothing to filter by here`);

function compared({ at, as }: Place, is: Comparison, value: unknown, path: string): Condition {
  const wrong = (): Error => scimError('invalidFilter', `${path} cannot be compared so (${is})`);
  if (value === null) {
    if (is === 'eq') return sql<boolean>`${at} is null`;
    if (is === 'ne') return sql<boolean>`${at} is not null`;
    throw wrong();
  }
  if (as === 'boolean') {
    if (typeof value !== 'boolean' || (is !== 'eq' && is !== 'ne')) throw wrong();
    return sql<boolean>`coalesce(${at}, false) ${is === 'eq' ? sql`=` : sql`<>`} ${value ? 1 : 0}`;
  }
  if (typeof value !== 'string') throw wrong();
  // Its column holds ASCII, and is not compared with anything else.
  if (as === 'id' && !/^[ -~]*$/.test(value)) throw wrong();
  const wanted = as === 'name' ? canonicalUser(value) : as === 'folded' ? value.toLowerCase() : value;
  if (as === 'time') {
    const ms = Date.parse(value);
    if (Number.isNaN(ms) || !(is in ordered)) throw wrong();
    return sql<boolean>`${at} ${ordered[is as keyof typeof ordered]} ${ms}`;
  }
  switch (is) {
    case 'ne':
      return sql<boolean>`not (${at} <=> ${wanted})`;
    case 'co':
      return sql<boolean>`locate(${wanted}, ${at}) > 0`;
    case 'sw':
      return sql<boolean>`left(${at}, ${[...wanted].length}) = ${wanted}`;
    case 'ew':
      return sql<boolean>`right(${at}, ${[...wanted].length}) = ${wanted}`;
    default:
      return sql<boolean>`${at} ${ordered[is]} ${wanted}`;
  }
}

const ordered = { eq: sql`=`, ne: sql`<>`, gt: sql`>`, ge: sql`>=`, lt: sql`<`, le: sql`<=` };
