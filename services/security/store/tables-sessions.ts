import type { ColumnType, Generated } from 'kysely';

/** Rows of migrations-sessions.ts. Times are Unix milliseconds, database time. */
export interface SessionTables {
  era: { id: number; era: number };
  incarnations: { incarnation: Generated<number>; pod: string; era: number; started_ms: number };
  members: MemberRow;
  sessions: SessionRow;
  feed_counter: { id: number; position: number };
  revocations: RevocationRow;
  /** signed_by: whoever else it needed; null: nobody. */
  policies: {
    version: number;
    /** JSON, which mysql2 parses. */
    document: ColumnType<unknown, string, never>;
    created_ms: number;
    author: string;
    signed_by: string | null;
  };
  locks: { name: string };
}

export interface MemberRow {
  pod: string;
  incarnation: number;
  heartbeat_ms: number;
  state: 'starting' | 'serving' | 'draining' | 'stopped';
  feed_position: number;
}

export interface SessionRow {
  /** The id without its MAC. */
  handle: string;
  route_key: string;
  user: string;
  device_id: string;
  kind: 'device' | 'person';
  app_id: string;
  app_version: string;
  platform: string;
  /** JSON array. */
  groups_json: string;
  era: number;
  /** The record, sealed. */
  sealed: Buffer;
  version: number;
  feed_position: number;
  open_hash: Buffer | null;
  opened_ms: number;
  expires_ms: number;
  last_seen_ms: number;
  /** When it was closed or revoked by name; sessions ended otherwise are found by the feed. */
  ended_ms: number | null;
}

export interface RevocationRow {
  position: number;
  kind: string;
  subject: string;
  reason: string;
  committed_ms: number;
}
