import type { SessionRecord } from './record.ts';
import type { SessionInfoRow } from './session-info.ts';

/** What became of a record that was to be inserted. */
export type Inserted =
  | 'stored'
  /** Another session was opened by the same message; this one is not stored. */
  | 'opened-twice';

export interface SessionPage {
  readonly user?: string;
  readonly deviceId?: string;
  /** Only those that have neither expired nor been ended by name. */
  readonly liveOnly: boolean;
  readonly limit: number;
  /** Of the last one on the page before. */
  readonly after?: { readonly openedAtMs: number; readonly handle: string };
}

/** Where records outlive their pods. Writes go to the primary; reads are served by any member. */
export interface SessionStore {
  /** All or none; a record that is there already stays as it is. One answer per record. */
  insert(records: readonly SessionRecord[]): Promise<readonly Inserted[]>;
  /** Replaces records by newer versions; a row that is newer already stays. */
  update(records: readonly SessionRecord[]): Promise<void>;
  /** @param timeoutMs how long it may take */
  load(handle: string, timeoutMs: number): Promise<SessionRecord | undefined>;
  findOpened(openHash: Uint8Array, timeoutMs: number): Promise<SessionRecord | undefined>;
  /** Last use, Unix milliseconds, by handle. */
  saveLastSeen(seen: ReadonlyMap<string, number>): Promise<void>;
  list(page: SessionPage): Promise<SessionInfoRow[]>;
  info(handle: string): Promise<SessionInfoRow | undefined>;
}
