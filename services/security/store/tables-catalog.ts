/** Rows of migrations-catalog.ts. Times are Unix milliseconds, database time. */
export interface CatalogTables {
  /** Packages and deltas by their digest. */
  catalog_blobs: { sha256: Buffer; length: number; complete: number; created_ms: number };
  catalog_chunks: { sha256: Buffer; idx: number; bytes: Buffer };
  catalog_releases: CatalogReleaseRow;
  catalog_deltas: CatalogDeltaRow;
  catalog_channels: CatalogChannelRow;
  catalog_versions: { app_id: string; platform: string; min_version: string; blocked_json: string };
  catalog_reports: CatalogReportRow;
  catalog_keys: CatalogKeyRow;
  catalog_metadata: CatalogMetadataRow;
}

export interface CatalogReleaseRow {
  app_id: string;
  platform: string;
  version: string;
  sha256: Buffer;
  length: number;
  notes: string;
  withdrawn: number;
  author: string;
  created_ms: number;
}

export interface CatalogDeltaRow {
  app_id: string;
  platform: string;
  from_version: string;
  version: string;
  sha256: Buffer;
  length: number;
}

export interface CatalogChannelRow {
  app_id: string;
  platform: string;
  channel: string;
  version: string;
  previous_version: string | null;
  percent: number;
  /** JSON array. */
  groups_json: string;
  max_failure_percent: number;
  min_reports: number;
  /** Reports from then on count. */
  counted_from_ms: number;
  halted_why: string | null;
  changed_ms: number;
}

export interface CatalogReportRow {
  app_id: string;
  platform: string;
  version: string;
  device_id: string;
  failed: number;
  reported_ms: number;
}

export interface CatalogKeyRow {
  key_id: string;
  /** root, targets, snapshot, timestamp, app.<id> */
  role: string;
  public_key: Buffer;
  sealed_secret: Buffer;
  created_ms: number;
}

export interface CatalogMetadataRow {
  role: string;
  version: number;
  expires_ms: number;
  body: Buffer;
}
