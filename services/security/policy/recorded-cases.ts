import { createHash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { RecordedCase } from '#core/policy/diff.ts';
import type { RequestFacts, SessionFacts } from '#core/policy/facts.ts';
import type { Db } from '#kernel/db/db.ts';
import type { PolicyTables, RecordedDecisionRow } from '../store/tables-policy.ts';

export type RecordedRow = RecordedDecisionRow;

/** Bytes of one; of users with so many groups that it would be longer none is kept. */
const maxBytes = 32_768;
/** Milliseconds for a writing. Nobody waits for it. */
const writeMs = 5000;
const hourMs = 3_600_000;
/** Rows in one answer of the database. */
const pageRows = 1000;

/** What decides, as it is stored: without ids of session and device, and without the query. */
interface Facts {
  readonly session: Pick<SessionFacts, 'user' | 'groups' | 'authLevel' | 'app'>;
  readonly request: RequestFacts;
}

/**
 * A decision as a row; the same one again is the same row. Undefined for what tells nothing of a policy (the session was
 * over) or is too long.
 */
export function caseRow(decided: {
  readonly session: SessionFacts;
  readonly request: RequestFacts;
  readonly grant: { readonly allow: boolean; readonly reason: string };
  readonly atMs: number;
}): RecordedRow | undefined {
  const { session, request, grant, atMs } = decided;
  if (grant.reason === 'SESSION_EXPIRED') return undefined;
  const { user, groups, authLevel, app } = session;
  const [path = ''] = request.path.split('?', 1);
  const kept: Facts = {
    session: { user, groups: [...groups].sort(), authLevel, app },
    request: { ...request, path },
  };
  const facts = JSON.stringify(kept);
  if (Buffer.byteLength(facts) > maxBytes) return undefined;
  return {
    id: createHash('sha256').update(facts).digest().subarray(0, 16),
    facts,
    allow: grant.allow ? 1 : 0,
    reason: grant.reason,
    at_ms: atMs,
  };
}

export const writeCases =
  (db: Pick<Db<PolicyTables>, 'tx'>) =>
  async (rows: readonly RecordedRow[]): Promise<void> => {
    // Each once, and in one order everywhere, so that two pods that write the same ones take turns.
    const newest = [...new Map(rows.map((row) => [row.id.toString('hex'), row])).values()];
    newest.sort((a, b) => Buffer.compare(a.id, b.id));
    if (newest.length === 0) return;
    await db.tx(
      (trx) =>
        trx
          .insertInto('recorded_decisions')
          .values(newest)
          .onDuplicateKeyUpdate({
            allow: sql`values(allow)`,
            reason: sql`values(reason)`,
            at_ms: sql`greatest(at_ms, values(at_ms))`,
          })
          .execute(),
      { idempotent: true, deadlineMs: writeMs },
    );
  };

/** The newest, so many at most, page by page. */
export async function* readCases(
  read: <T>(query: (on: Kysely<PolicyTables>) => Promise<T>) => Promise<T>,
  limit: number,
): AsyncGenerator<readonly RecordedCase[]> {
  let last: Pick<RecordedRow, 'id' | 'at_ms'> | undefined;
  for (let left = limit; left > 0; ) {
    const asked = Math.min(left, pageRows);
    const rows = await read((on) =>
      on
        .selectFrom('recorded_decisions')
        .select(['id', 'facts', 'at_ms'])
        .$if(last !== undefined, (q) =>
          q.where(sql<boolean>`(at_ms, id) < (${last?.at_ms ?? 0}, ${last?.id ?? null})`),
        )
        .orderBy('at_ms', 'desc')
        .orderBy('id', 'desc')
        .limit(asked)
        .execute(),
    );
    yield rows.map(caseOf);
    if (rows.length < asked) return;
    last = rows.at(-1);
    left -= rows.length;
  }
}

function caseOf({ facts, at_ms: at }: Pick<RecordedRow, 'facts' | 'at_ms'>): RecordedCase {
  const { session, request } = JSON.parse(facts) as Facts;
  return { session: { ...session, deviceId: '', expiresAt: at + hourMs }, request, at };
}
