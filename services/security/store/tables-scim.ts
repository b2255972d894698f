import type { JSONColumnType } from 'kysely';

/** Rows of migrations-scim.ts. Times are Unix milliseconds, database time. */
export interface ScimTables {
  scim_tokens: ScimTokenRow;
  scim_resources: ScimResourceRow;
  scim_members: ScimMemberRow;
  scim_takings: ScimTakingRow;
}

export interface ScimTokenRow {
  id: string;
  source: string;
  /** SHA-256 of the secret. */
  hash: Buffer;
  label: string;
  /** As Administrator.name. */
  created_by: string;
  created_ms: number;
  /** Null: it does not expire. */
  expires_ms: number | null;
  /** To a minute; null: never. */
  used_ms: number | null;
}

export interface ScimResourceRow {
  source: string;
  kind: string;
  /** 32 hexadecimal digits; of a user also source_users.entry_id. */
  id: string;
  /** Of a user canonical userName, of a group canonical displayName. */
  key_name: string;
  external_id: string | null;
  /** The name to show; of a group its name in policies. */
  shown: string;
  active: number;
  /** As normalise() of services/security/scim/schema.ts leaves it; without members. */
  body: JSONColumnType<Record<string, unknown>>;
  /** Counts changes. */
  version: number;
  created_ms: number;
  updated_ms: number;
}

export interface ScimMemberRow {
  source: string;
  group_id: string;
  /** Of a user or a group. */
  member_id: string;
}

/** A user whom a push has deactivated or removed lately. */
export interface ScimTakingRow {
  source: string;
  /** scim_resources.id */
  user_id: string;
  at_ms: number;
}
