import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import type { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';

/** What backups are sealed and signed with; it is in no backup. */
export interface BackupKey {
  /** Names it without telling anything of it. */
  readonly id: string;
  readonly wrapping: Buffer;
  readonly signing: Buffer;
}

/** The key of one backup or one stretch of the log, and itself wrapped under a {@link BackupKey}. */
export interface DataKey {
  readonly key: Buffer;
  readonly wrapped: string;
}

const tagBytes = 16;
const nonceBytes = 12;

/** From 32 random bytes: HKDF-SHA256 (RFC 5869) gives each use a key of its own. */
export function backupKey(secret: Uint8Array): BackupKey {
  const derived = (use: string): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, '', `sallyport backup ${use} v1`, 32));
  return {
    id: createHash('sha256').update(derived('id')).digest('hex').slice(0, 16),
    wrapping: derived('wrapping'),
    signing: derived('signing'),
  };
}

/** Makes a key file: 32 random bytes in base64, 0600. @throws EEXIST when it is there */
export const makeKeyFile = (file: string): Promise<void> =>
  writeFile(file, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx', flush: true });

/** @throws BACKUP_KEY_WRONG when it is missing, can be read by others, or holds something else */
export async function readKeyFile(file: string): Promise<BackupKey> {
  const wrong = (what: string, hint?: string): SallyportError =>
    new SallyportError('BACKUP_KEY_WRONG', { message: `${file} ${what}`, ...(hint && { hint }) });
  let text: string;
  try {
    if (((await stat(file)).mode & 0o077) !== 0) throw wrong('can be read by others', `chmod 600 ${file}`);
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    throw wrong(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!/^[A-Za-z0-9+/]{43}=\n?$/.test(text)) throw wrong('does not hold 32 bytes in base64');
  return backupKey(Buffer.from(text, 'base64'));
}

export function newDataKey(under: BackupKey): DataKey {
  const key = randomBytes(32);
  const nonce = randomBytes(nonceBytes);
  return {
    key,
    wrapped: Buffer.concat([nonce, seal(under.wrapping, nonce, 'data key', key)]).toString('hex'),
  };
}

/** @throws BACKUP_KEY_WRONG */
export function unwrapDataKey(under: BackupKey, wrapped: string): Buffer {
  const bytes = Buffer.from(wrapped, 'hex');
  const key = unseal(under.wrapping, bytes.subarray(0, nonceBytes), 'data key', bytes.subarray(nonceBytes));
  if (key === undefined) throw new SallyportError('BACKUP_KEY_WRONG');
  return key;
}

/** AES-256-GCM: the ciphertext, then its tag. A nonce is used once under a key. */
export function seal(key: Buffer, nonce: Uint8Array, about: string, plain: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(about));
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined when it is not what was sealed with this key, nonce and `about`. */
export function unseal(key: Buffer, nonce: Uint8Array, about: string, sealed: Buffer): Buffer | undefined {
  if (sealed.length < tagBytes || nonce.length !== nonceBytes) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce)
    .setAAD(Buffer.from(about))
    .setAuthTag(sealed.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]);
  } catch {
    // The one thing that final() can find: the tag is not that of these bytes.
    return undefined;
  }
}

/** The nth chunk under one key. */
export function nonceOf(index: number): Buffer {
  const nonce = Buffer.alloc(nonceBytes);
  nonce.writeBigUInt64BE(BigInt(index), 4);
  return nonce;
}

/**
 * A document that only who has the key can have written: a line with its HMAC-SHA256, over its name too, so that none
 * can take another's place; then JSON.
 */
export function signed(key: BackupKey, name: string, value: { readonly keyId: string }): Buffer {
  const body = JSON.stringify(value);
  return Buffer.from(`${signature(key, name, body)}\n${body}`);
}

/** @throws BACKUP_KEY_WRONG (signed with another key), BACKUP_DAMAGED */
export function readSigned<S extends z.ZodType>(
  key: BackupKey,
  name: string,
  bytes: Buffer,
  schema: S,
): z.output<S> {
  const text = bytes.toString('latin1');
  const end = text.indexOf('\n');
  const body = bytes.subarray(end + 1).toString('utf8');
  if (end < 0 || text.slice(0, end) !== signature(key, name, bytes.subarray(end + 1))) {
    const other = /"keyId":"([0-9a-f]{16})"/.exec(body)?.[1];
    if (other !== undefined && other !== key.id) {
      throw new SallyportError('BACKUP_KEY_WRONG', {
        message: `${name} was made with the key ${other}, and this one is ${key.id}`,
      });
    }
    throw damaged(name, 'its signature is not right');
  }
  const parsed = schema.safeParse(JSON.parse(body));
  // It is as it was written, so whoever wrote it knows something that this release does not.
  if (!parsed.success) throw new SallyportError('BACKUP_NEWER', { message: `${name} is of a newer release` });
  return parsed.data;
}

const signature = (key: BackupKey, name: string, body: string | Buffer): string =>
  createHmac('sha256', key.signing).update(`${name}\n`).update(body).digest('hex');

export const damaged = (name: string, why: string): SallyportError =>
  new SallyportError('BACKUP_DAMAGED', { message: `${name}: ${why}` });
