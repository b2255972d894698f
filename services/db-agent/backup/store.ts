import { SallyportError } from '#core/errors/error.ts';

/**
 * Where backups are kept: objects by name, `/` between folders. It is trusted with nothing: whatever comes out of it is
 * checked by whoever reads it. All calls throw BACKUP_TARGET when it cannot be reached or refuses.
 */
export interface BackupStore {
  /** Whole or not at all, in place of any earlier one of that name; a name has one writer at a time. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Undefined if there is none. */
  get(name: string): Promise<Buffer | undefined>;
  /** Full names of all objects in a folder and below it, sorted; none if there is no such folder. */
  list(folder: string): Promise<string[]>;
  /** Harmless if there is none. */
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}

/** How a store is reached; see job.ts. */
export interface StoreOptions {
  /** `/path`, `file:///path`, `sftp://user@host:port/path` or `s3://bucket/prefix?endpoint=https://host`. */
  readonly target: string;
  /** Absolute; sftp: the private key; s3: JSON with accessKeyId and secretAccessKey. */
  readonly credentialsFile?: string | undefined;
  /** sftp: `SHA256:…`, the fingerprint of the server's key. */
  readonly hostKey?: string | undefined;
}

/** @throws INVALID_FIELD when the target is none of the known kinds, or lacks something; BACKUP_TARGET */
export async function openStore(options: StoreOptions): Promise<BackupStore> {
  const { target } = options;
  const scheme = /^([a-z0-9]+):\/\//.exec(target)?.[1];
  if (target.startsWith('/') || scheme === 'file') {
    const { folderStore } = await import('./folder-store.ts');
    return folderStore(target.startsWith('/') ? target : decodeURIComponent(new URL(target).pathname));
  }
  if (scheme === 'sftp') return (await import('./sftp-store.ts')).sftpStore(options);
  if (scheme === 's3') return (await import('./s3-store.ts')).s3Store(options);
  throw new SallyportError('INVALID_FIELD', {
    message: `backups cannot be kept at ${target}`,
    hint: 'name a folder, sftp://USER@HOST/PATH, or s3://BUCKET/PREFIX?endpoint=https://HOST',
  });
}

export const targetError = (what: string, cause: unknown): SallyportError =>
  new SallyportError('BACKUP_TARGET', {
    message: `${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause,
  });
