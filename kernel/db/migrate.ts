import { createHash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import type { Db } from './db.ts';
import { mysqlNumber } from './failures.ts';

/** One change of the schema. Applied changes are never edited: releases N and N+1 run side by side. */
export interface Migration {
  /** Unique and final: `<service>-<4 digits>-<what>`. At most 100 characters. */
  readonly name: string;
  /** One statement: MySQL's DDL is not transactional, so a change of two could stop half-way. */
  readonly up: string;
}

export interface MigrateOptions {
  /** Milliseconds for all of it, waiting for another migrator and for a primary included; default 10 min. */
  readonly deadlineMs?: number;
  readonly progress?: (line: string) => void;
}

/** "It is there already", "it is gone already": 1050 table, 1060 column, 1061 key, 1091 drop, 1826 constraint. */
const alreadyDone = new Set([1050, 1051, 1060, 1061, 1091, 1826, 3822]);

/**
 * Applies, in order, what has not been applied; returns the names of what it applied. Several callers
 * exclude each other. A crash half-way is made good by the next call. Applied migrations that the list
 * does not know (of a newer release) are left alone.
 * @throws CONFIG_INVALID if an applied migration was edited, or the list has a name twice.
 */
export async function migrate<S>(
  db: Pick<Db<S>, 'read'>,
  migrations: readonly Migration[],
  options: MigrateOptions = {},
): Promise<string[]> {
  const names = new Set(migrations.map((m) => m.name));
  if (names.size !== migrations.length) throw invalid('two migrations have the same name');
  const applied: string[] = [];
  // One connection, and run again after a failover: each step finds out what was done before it.
  await db.read(
    async (on) => {
      await lock(on);
      try {
        await apply(on, migrations, applied, options.progress ?? (() => {}));
      } finally {
        await sql`do release_lock('sallyport.migrate')`.execute(on);
      }
    },
    { deadlineMs: options.deadlineMs ?? 600_000 },
  );
  return applied;
}

async function lock<S>(on: Kysely<S>): Promise<void> {
  const got = await sql<{ got: number | null }>`select get_lock('sallyport.migrate', 300) as got`.execute(on);
  if (got.rows[0]?.got !== 1) {
    throw new SallyportError('DB_UNAVAILABLE', {
      message: 'another migration has been running for 5 minutes',
    });
  }
}

async function apply<S>(
  on: Kysely<S>,
  migrations: readonly Migration[],
  applied: string[],
  progress: (line: string) => void,
): Promise<void> {
  await sql`create table if not exists migrations (
    name varchar(100) character set ascii not null primary key,
    digest char(64) character set ascii not null,
    begun datetime(3) not null,
    done datetime(3) null
  )`.execute(on);
  const rows = await sql<{ name: string; digest: string; done: Date | null }>`
    select name, digest, done from migrations`.execute(on);
  const known = new Map(rows.rows.map((row) => [row.name, row]));
  for (const { name, up } of migrations) {
    const digest = createHash('sha256').update(up).digest('hex');
    const before = known.get(name);
    if (before?.done) {
      if (before.digest !== digest) throw invalid(`migration ${name} was edited after it had been applied`);
      continue;
    }
    progress(`migration ${name}`);
    await sql`insert into migrations (name, digest, begun) values (${name}, ${digest}, utc_timestamp(3)) as new
      on duplicate key update digest = new.digest`.execute(on);
    try {
      await sql.raw(up).execute(on);
    } catch (error) {
      // Begun before, by a call that was cut off: then the statement may have been the last thing it did.
      const number = mysqlNumber(error);
      if (!before || number === undefined || !alreadyDone.has(number)) throw error;
    }
    await sql`update migrations set done = utc_timestamp(3) where name = ${name}`.execute(on);
    applied.push(name);
  }
}

const invalid = (message: string): SallyportError =>
  new SallyportError('CONFIG_INVALID', { message, hint: 'add a new migration instead of editing one' });
