import { type Kysely, sql } from 'kysely';
import { schema } from '../accounts.ts';
import type { Tables } from './documents.ts';

/** Bytes from which on a table is counted only: a checksum reads all of it. */
const largestSummed = 256 * 2 ** 20;

/** Counts every table of the mesh, and sums up those that are not too large. */
export async function lookAtTables<T>(db: Kysely<T>): Promise<Tables> {
  const { rows: found } = await sql<{ name: string; bytes: number }>`
    select table_name as name, ifnull(data_length, 0) as bytes from information_schema.tables
    where table_schema = ${schema} and table_type = 'BASE TABLE' order by table_name`.execute(db);
  const tables: Tables = {};
  for (const { name, bytes } of found) {
    const table = sql.id(schema, name);
    const { rows } = await sql<{ rows: number }>`select count(*) as \`rows\` from ${table}`.execute(db);
    const summed =
      Number(bytes) > largestSummed
        ? undefined
        : await sql<{ Checksum: number | null }>`checksum table ${table}`.execute(db);
    const checksum = summed?.rows[0]?.Checksum ?? null;
    tables[name] = { rows: Number(rows[0]?.rows), checksum: checksum === null ? null : Number(checksum) };
  }
  return tables;
}

/** How they differ, in words; empty when they do not. Sums count where both sides have one. */
export function differences(expected: Tables, found: Tables): string[] {
  const all = new Set([...Object.keys(expected), ...Object.keys(found)]);
  return [...all].flatMap((name) => {
    const [a, b] = [expected[name], found[name]];
    if (a === undefined) return [`${name} should not be there`];
    if (b === undefined) return [`${name} is missing`];
    if (a.rows !== b.rows) return [`${name} has ${b.rows} rows instead of ${a.rows}`];
    const summed = a.checksum !== null && b.checksum !== null;
    return summed && a.checksum !== b.checksum ? [`${name} has other content`] : [];
  });
}

export const rowsOf = (tables: Tables): number =>
  Object.values(tables).reduce((total, { rows }) => total + rows, 0);
