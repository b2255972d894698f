import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { SallyportError } from '#core/errors/error.ts';

/** A key under which rows are sealed. */
export interface DataKey {
  /** 1 to 2^32 − 1. */
  readonly id: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** The place of a sealed value. It is authenticated with it, so no ciphertext can be moved to another. */
export interface RowName {
  readonly table: string;
  /** The row's primary key, as text. */
  readonly row: string;
  readonly column: string;
}

const format = 1;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 5;

/** format (1 byte) ‖ data key id (4, big-endian) ‖ nonce (12) ‖ AES-256-GCM ciphertext ‖ tag (16). */
export function sealRow(dataKey: DataKey, name: RowName, plaintext: Uint8Array): Uint8Array {
  const head = Buffer.alloc(headBytes);
  head.writeUInt8(format, 0);
  head.writeUInt32BE(dataKey.id, 1);
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', dataKey.key, nonce);
  cipher.setAAD(associatedData(head, name));
  return Buffer.concat([head, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Id of the data key that sealed the value. @throws SEALED_ROW_DAMAGED */
export function sealedUnder(name: RowName, sealed: Uint8Array): number {
  if (sealed.length < headBytes + nonceBytes + tagBytes || sealed[0] !== format) throw damaged(name);
  return new DataView(sealed.buffer, sealed.byteOffset).getUint32(1);
}

/** @throws SEALED_ROW_DAMAGED: another key, another place, or changed bytes */
export function openRow(dataKey: DataKey, name: RowName, sealed: Uint8Array): Uint8Array {
  if (sealedUnder(name, sealed) !== dataKey.id) throw damaged(name);
  const body = headBytes + nonceBytes;
  const decipher = createDecipheriv('aes-256-gcm', dataKey.key, sealed.subarray(headBytes, body));
  decipher.setAAD(associatedData(sealed.subarray(0, headBytes), name));
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(body, -tagBytes)), decipher.final()]);
  } catch (cause) {
    throw damaged(name, cause);
  }
}

/** Each part with its length, so that no two places read the same. */
function associatedData(head: Uint8Array, name: RowName): Buffer {
  const parts = [name.table, name.row, name.column].map((part) => Buffer.from(part));
  return Buffer.concat([
    head,
    ...parts.flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      return [length, part];
    }),
  ]);
}

function damaged(name: RowName, cause?: unknown): SallyportError {
  return new SallyportError('SEALED_ROW_DAMAGED', {
    message: `${name.table}.${name.column} of ${name.row} does not open under its data key`,
    cause,
  });
}
