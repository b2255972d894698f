import type { Generated } from 'kysely';

/** Rows of the tables of migrations-keys.ts. Times are Unix milliseconds; *_key and sealed_* are bytes. */
export interface UserRow {
  name: string;
  display_name: string;
  password_hash: string | null;
  disabled: number;
  created_ms: number;
  updated_ms: number;
  /** The directory that it comes from, and its entry there; null: it is managed here. */
  source: string | null;
  source_entry: string | null;
}

export interface UserGroupRow {
  user: string;
  group_name: string;
}

export interface ActivationRow {
  code_hash: Buffer;
  user: string;
  app_id: string;
  created_ms: number;
  expires_ms: number;
  /** SHA-256 of the Enroll request that used it up. */
  consumed_by: Buffer | null;
  /** The serialised answer to that request. */
  reply: Buffer | null;
  /** Route key of the enrolment that ends when the code is used. */
  replaces: string | null;
}

export interface SharedKeyRow {
  route_key: string;
  device_id: string;
  device_name: string;
  user: string;
  app_id: string;
  platform: string;
  sealed_key: Buffer;
  /** Keys of a rotation, 32 bytes each, newest first: the device may have been told of any and has used none yet. */
  sealed_next: Buffer | null;
  key_version: number;
  rotation_pending: number;
  created_ms: number;
  revoked_ms: number | null;
  blocked_ms: number | null;
  /** `operator/<name>` or `person/<user>`; with blocked_ms. */
  blocked_by: string | null;
  /** JSON of an Attested. */
  attested_json: string | null;
  /** Argon2id of the PIN, sealed: six digits are guessed in no time by whoever has the hash. */
  sealed_pin: Buffer | null;
  /** Wrong PINs since the last right one. */
  pin_failures: Generated<number>;
}

export interface ServerKeyRow {
  kind: ServerKeyKind;
  key_id: string;
  public_key: Buffer;
  sealed_secret: Buffer;
  created_ms: number;
  expires_ms: number | null;
}
export type ServerKeyKind = 'identity' | 'hpke' | 'mac' | 'assertion';

export interface DataKeyRow {
  id: number;
  wrapped: Buffer;
  root_key_id: string;
  created_ms: number;
}

export interface KeyTables {
  users: UserRow;
  user_groups: UserGroupRow;
  activations: ActivationRow;
  shared_keys: SharedKeyRow;
  server_keys: ServerKeyRow;
  data_keys: DataKeyRow;
}
