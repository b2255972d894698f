import { type Kysely, sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { ScimResourceRow } from '../store/tables-scim.ts';
import { filterCondition } from './filter-sql.ts';
import { isId, type JsonObject, type Kind, schemaOf } from './schema.ts';
import { scimError } from './scim-error.ts';

/** A row, with its JSON read. */
export type ResourceRow = Omit<ScimResourceRow, 'body'> & { readonly body: JsonObject };

/** What of a resource is told: names of attributes in lower case. */
export interface Projection {
  readonly only: ReadonlySet<string> | undefined;
  readonly without: ReadonlySet<string>;
}

export interface ListQuery {
  /** Empty: all. */
  readonly filter: string;
  /** From 1. */
  readonly startIndex: number;
  readonly count: number;
}

/** Members in one answer, some MiB. */
const maxLinks = 50_000;

const endpoints: Readonly<Record<Kind, string>> = { User: 'Users', Group: 'Groups' };

/** @throws NOT_FOUND */
export async function readResource(
  on: Kysely<SecurityTables>,
  source: string,
  kind: Kind,
  id: string,
): Promise<ResourceRow> {
  const asked = on
    .selectFrom('scim_resources')
    .selectAll()
    .where('source', '=', source)
    .where('kind', '=', kind)
    .where('id', '=', id);
  const row = isId(id) ? await asked.executeTakeFirst() : undefined;
  if (row === undefined) throw new SallyportError('NOT_FOUND', { message: `there is no such ${kind}` });
  return row as ResourceRow;
}

/** A page, and how many there are in all. @throws SCIM_INVALID */
export async function listResources(
  on: Kysely<SecurityTables>,
  source: string,
  kind: Kind,
  { filter, startIndex, count }: ListQuery,
): Promise<{ readonly rows: readonly ResourceRow[]; readonly total: number }> {
  const fits = filter === '' ? sql<boolean>`true` : filterCondition(kind, filter);
  const among = on
    .selectFrom('scim_resources as r')
    .where('r.source', '=', source)
    .where('r.kind', '=', kind)
    .where(fits);
  const all = await among.select(({ fn }) => fn.countAll<number>().as('n')).executeTakeFirst();
  const rows =
    count === 0
      ? []
      : await among
          .selectAll('r')
          .orderBy('r.id')
          .limit(count)
          .offset(startIndex - 1)
          .execute();
  return { rows: rows as ResourceRow[], total: Number(all?.n ?? 0) };
}

interface Link {
  readonly of: string;
  readonly value: string;
  readonly display: string;
  readonly kind: string;
}

/** Whole resources as they are told, each with its members or groups. */
export async function toldResources(
  on: Kysely<SecurityTables>,
  kind: Kind,
  rows: readonly ResourceRow[],
  base: string,
  projection: Projection,
): Promise<JsonObject[]> {
  const linkName = kind === 'User' ? 'groups' : 'members';
  const wants = (name: string): boolean =>
    !projection.without.has(name.toLowerCase()) &&
    (projection.only === undefined || projection.only.has(name.toLowerCase()));
  const links = wants(linkName) ? await linksOf(on, kind, rows) : [];
  return rows.map((row) => {
    const linked = links
      .filter((each) => each.of === row.id)
      .map(({ value, display, kind: type }) => ({
        value,
        $ref: `${base}/${endpoints[type as Kind]}/${value}`,
        display,
        ...(kind === 'Group' && { type }),
      }));
    const body: JsonObject = { ...row.body, ...(linked.length > 0 && { [linkName]: linked }) };
    const kept = Object.entries(body).filter(([name]) => wants(name));
    return {
      schemas: [schemaOf(kind)],
      id: row.id,
      ...Object.fromEntries(kept),
      meta: {
        resourceType: kind,
        created: new Date(row.created_ms).toISOString(),
        lastModified: new Date(row.updated_ms).toISOString(),
        location: `${base}/${endpoints[kind]}/${row.id}`,
        version: versionOf(row),
      },
    };
  });
}

export const versionOf = ({ version }: Pick<ResourceRow, 'version'>): string => `W/"${version}"`;

async function linksOf(
  on: Kysely<SecurityTables>,
  kind: Kind,
  rows: readonly ResourceRow[],
): Promise<readonly Link[]> {
  const [first] = rows;
  if (first === undefined) return [];
  const ids = rows.map(({ id }) => id);
  const query = on
    .selectFrom('scim_members as m')
    .innerJoin('scim_resources as r', (join) =>
      join
        .onRef('r.source', '=', 'm.source')
        .on('r.kind', 'in', kind === 'User' ? ['Group'] : ['User', 'Group'])
        .onRef('r.id', '=', kind === 'User' ? 'm.group_id' : 'm.member_id'),
    )
    .select(['r.id as value', 'r.shown as display', 'r.kind'])
    .where('m.source', '=', first.source)
    .orderBy('r.id');
  const links = await (kind === 'User'
    ? query.select('m.member_id as of').where('m.member_id', 'in', ids)
    : query.select('m.group_id as of').where('m.group_id', 'in', ids)
  )
    .limit(maxLinks + 1)
    .execute();
  if (links.length <= maxLinks) return links;
  throw scimError(
    'tooMany',
    'these groups have too many members: ask with excludedAttributes=members, or for fewer',
  );
}

/** Ids of all members of a group, sorted. */
export async function memberIds(
  on: Kysely<SecurityTables>,
  source: string,
  group: string,
): Promise<readonly string[]> {
  const rows = await on
    .selectFrom('scim_members')
    .select('member_id')
    .where('source', '=', source)
    .where('group_id', '=', group)
    .orderBy('member_id')
    .execute();
  return rows.map(({ member_id }) => member_id);
}
