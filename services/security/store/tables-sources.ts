/** Rows of migrations-sources.ts. Times are Unix milliseconds, database time. */
export interface SourceTables {
  sources: SourceRow;
  source_users: SourceUserRow;
  source_groups: SourceGroupRow;
  sync_runs: SyncRunRow;
}

export interface SourceRow {
  name: string;
  /** JSON of SourceSettings. */
  settings: string;
  sealed_password: Buffer | null;
  precedence: number;
  revision: number;
  /** JSON of a Stamp: as of which change the tables below are. */
  stamp: string | null;
  synced_ms: number | null;
  full_ms: number | null;
  /** When it was last looked for entries that are gone. */
  listed_ms: number | null;
  /** When the next synchronisation is due. */
  next_ms: number;
  last_run: string | null;
  lease_pod: string | null;
  lease_until_ms: number;
  /** Rises with each lease: whoever has an older one changes nothing any more. */
  fence: number;
}

/** A user as the directory was last seen to have it. */
export interface SourceUserRow {
  source: string;
  /** Hexadecimal entryUUID or objectGUID: stays through renames. */
  entry_id: string;
  /** Canonical. */
  name: string;
  dn: string;
  display_name: string;
  disabled: number;
  /** JSON array, sorted; by way of other groups, too. */
  groups_json: string;
  /** PHC string of Argon2id of the password of the last login, if the source keeps it. */
  verifier: string | null;
}

export interface SourceGroupRow {
  source: string;
  entry_id: string;
  name: string;
  dn: string;
  /** Ids of its users and groups, 16 bytes each. */
  members: Buffer;
}

export interface SyncRunRow {
  id: string;
  source: string;
  state: 'queued' | 'running' | 'ended';
  cancelled: number;
  /** JSON of SyncRun. */
  report: string;
  created_ms: number;
}
