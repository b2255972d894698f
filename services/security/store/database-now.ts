import { sql } from 'kysely';

/** The database's time in Unix milliseconds, as an expression. */
export const databaseNow = sql<number>`cast(unix_timestamp(now(3)) * 1000 as signed)`;
