import type { Kysely, Selectable } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { ProposalRow } from '../store/tables-policy.ts';
import { type Applied, applyPolicy, readPolicy } from './apply-policy.ts';

export type Proposal = Selectable<ProposalRow>;

/** Proposals that may wait at once. */
const maxOpen = 50;

export interface Decision {
  readonly id: number;
  /** As Administrator.name. */
  readonly by: string;
  readonly note: string;
  /** Database time. */
  readonly nowMs: number;
}

/** Returns its id. @throws PROPOSAL_REFUSED */
export async function propose(
  trx: Kysely<SecurityTables>,
  { document, author, note, nowMs }: { document: unknown; author: string; note: string; nowMs: number },
): Promise<number> {
  const waiting = await trx
    .selectFrom('policy_proposals')
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .where('state', '=', 'open')
    .executeTakeFirst();
  if (Number(waiting?.n ?? 0) >= maxOpen) {
    throw new SallyportError('PROPOSAL_REFUSED', {
      message: `${maxOpen} proposals wait already`,
      hint: 'reject what nobody wants any more: `sallyport policy list`',
    });
  }
  const base = await readPolicy(trx, 0);
  const made = await trx
    .insertInto('policy_proposals')
    .values({
      document: JSON.stringify(document),
      base_version: base?.version ?? 0,
      author,
      note,
      created_ms: nowMs,
      state: 'open',
    })
    .executeTakeFirstOrThrow();
  return Number(made.insertId);
}

/** @throws NOT_FOUND */
export async function readProposal(db: Kysely<SecurityTables>, id: number, lock = false): Promise<Proposal> {
  const row = await db
    .selectFrom('policy_proposals')
    .selectAll()
    .where('id', '=', id)
    .$if(lock, (q) => q.forUpdate())
    .executeTakeFirst();
  if (row === undefined) throw new SallyportError('NOT_FOUND', { message: `there is no proposal ${id}` });
  return row;
}

/**
 * Makes a proposal the newest version, in the name of both.
 * @throws NOT_FOUND, PROPOSAL_ENDED, PROPOSAL_OWN, POLICY_CHANGED
 */
export async function sign(trx: Kysely<SecurityTables>, decision: Decision): Promise<Applied> {
  const found = await readProposal(trx, decision.id, true);
  assertOpen(found);
  if (found.author === decision.by) throw new SallyportError('PROPOSAL_OWN');
  const { document, author, base_version: expectedVersion } = found;
  const { nowMs, by } = decision;
  if (expectedVersion === 0 && (await readPolicy(trx, 0)) !== undefined) {
    throw new SallyportError('POLICY_CHANGED');
  }
  const applied = await applyPolicy(trx, { document, author, expectedVersion, nowMs, signedBy: by });
  await decide(trx, decision, { state: 'signed', version: applied.version });
  return applied;
}

/** @param may is asked whether it may be done. @throws NOT_FOUND, PROPOSAL_ENDED */
export async function reject(
  trx: Kysely<SecurityTables>,
  decision: Decision,
  may: (found: Proposal) => void,
): Promise<void> {
  const found = await readProposal(trx, decision.id, true);
  may(found);
  assertOpen(found);
  await decide(trx, decision, { state: 'rejected', version: null });
}

function assertOpen({ id, state, decided_by }: Proposal): void {
  if (state === 'open') return;
  throw new SallyportError('PROPOSAL_ENDED', { message: `proposal ${id} was ${state} by ${decided_by}` });
}

async function decide(
  trx: Kysely<SecurityTables>,
  { id, by, note, nowMs }: Decision,
  end: Pick<Proposal, 'state' | 'version'>,
): Promise<void> {
  await trx
    .updateTable('policy_proposals')
    .set({ ...end, decided_by: by, decided_note: note, decided_ms: nowMs })
    .where('id', '=', id)
    .execute();
}

/** Newest first. */
export async function listProposals(
  db: Kysely<SecurityTables>,
  { before, limit }: { readonly before: number | undefined; readonly limit: number },
): Promise<Omit<Proposal, 'document'>[]> {
  return db
    .selectFrom('policy_proposals')
    .select(['id', 'base_version', 'author', 'note', 'created_ms', 'state'])
    .select(['decided_by', 'decided_note', 'decided_ms', 'version'])
    .$if(before !== undefined, (q) => q.where('id', '<', before ?? 0))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}
