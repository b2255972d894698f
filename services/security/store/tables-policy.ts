import type { ColumnType, Generated } from 'kysely';

/** Rows of migrations-policy.ts. Times are Unix milliseconds, database time. */
export interface PolicyTables {
  policy_proposals: ProposalRow;
  recorded_decisions: RecordedDecisionRow;
}

export interface ProposalRow {
  id: Generated<number>;
  /** JSON, which mysql2 parses. */
  document: ColumnType<unknown, string, never>;
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

/** A decision of late, for dry runs; the same one again is the same row. */
export interface RecordedDecisionRow {
  /** 16 bytes of the SHA-256 of `facts`. */
  id: Buffer;
  /** What decides, as JSON: recorded-cases.ts. */
  facts: string;
  /** 1: allowed. */
  allow: number;
  /** As in a grant. */
  reason: string;
  /** When last. */
  at_ms: number;
}
