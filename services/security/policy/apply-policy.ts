import { isDeepStrictEqual } from 'node:util';
import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { lockRow } from '../store/locks.ts';
import type { SecurityTables } from '../store/tables.ts';
import { assertNotInCatalogue } from './versions-once.ts';

export interface NewPolicy {
  /** Checked already. */
  readonly document: unknown;
  readonly author: string;
  /** The version that it replaces; 0: whichever it is. */
  readonly expectedVersion: number;
  /** Database time. */
  readonly nowMs: number;
  /** Whoever else it needed. */
  readonly signedBy?: string;
}

/** Survives JSON. */
export interface Applied {
  /** The newest one now. */
  readonly version: number;
  /** The document was the newest version already. */
  readonly unchanged: boolean;
}

/** Makes a document the newest version, one at a time. @throws POLICY_CHANGED, POLICY_INVALID */
export async function applyPolicy(trx: Kysely<SecurityTables>, policy: NewPolicy): Promise<Applied> {
  await lockRow(trx, 'policy');
  const newest = await readPolicy(trx, 0);
  const version = newest?.version ?? 0;
  expectVersion(version, policy.expectedVersion);
  if (newest !== undefined && isDeepStrictEqual(newest.document, policy.document)) {
    return { version, unchanged: true };
  }
  await assertNotInCatalogue(trx, policy.document);
  await trx
    .insertInto('policies')
    .values({
      version: version + 1,
      document: JSON.stringify(policy.document),
      author: policy.author.slice(0, 128),
      created_ms: policy.nowMs,
      signed_by: policy.signedBy ?? null,
    })
    .execute();
  return { version: version + 1, unchanged: false };
}

/** @throws POLICY_CHANGED */
export function expectVersion(version: number, expected: number): void {
  if (expected === 0 || expected === version) return;
  throw new SallyportError('POLICY_CHANGED', {
    message: `version ${version} of the policy is in force, not ${expected}`,
  });
}

export interface PolicyRecord {
  readonly version: number;
  readonly document: unknown;
  readonly author: string;
  /** Unix milliseconds. */
  readonly createdMs: number;
  readonly signedBy: string | null;
}

/** A version, or the newest for 0; undefined if there is none. */
export async function readPolicy(
  db: Kysely<SecurityTables>,
  version: number,
): Promise<PolicyRecord | undefined> {
  const row = await db
    .selectFrom('policies')
    .selectAll()
    .$if(version !== 0, (q) => q.where('version', '=', version))
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst();
  return (
    row && {
      version: row.version,
      document: row.document,
      author: row.author,
      createdMs: row.created_ms,
      signedBy: row.signed_by,
    }
  );
}
