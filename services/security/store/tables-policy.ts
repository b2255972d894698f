import type { Generated } from 'kysely';

/** Rows of migrations-policy.ts. Times are Unix milliseconds, database time. */
export interface PolicyTables {
  policy_proposals: ProposalRow;
}

export interface ProposalRow {
  id: Generated<number>;
  document: string;
  /** The version that it is to replace. */
  base_version: number;
  /** As Administrator.name. */
  author: string;
  note: string;
  created_ms: number;
  state: 'open' | 'signed' | 'rejected';
  decided_by: string | null;
  decided_note: string | null;
  decided_ms: number | null;
  /** Signed: what it became. */
  version: number | null;
}
