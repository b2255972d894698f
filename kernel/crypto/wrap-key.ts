import type { RootKey } from './root-key.ts';
import { openRow, type RowName, sealRow } from './sealed-row.ts';

/** A wrapped data key is a sealed row under the root key, whose number in that format is always 1. */
const rootKeyNumber = 1;
const place = (dataKeyId: number): RowName => ({
  table: 'data_keys',
  row: String(dataKeyId),
  column: 'wrapped',
});

/** Wraps a 32-byte data key under the root key; AES-256-GCM with the data key's id as associated data. */
export function wrapKey(root: RootKey, dataKeyId: number, key: Uint8Array): Uint8Array {
  return sealRow({ id: rootKeyNumber, key: root.key }, place(dataKeyId), key);
}

/** @throws SEALED_ROW_DAMAGED */
export function unwrapKey(root: RootKey, dataKeyId: number, wrapped: Uint8Array): Uint8Array {
  return openRow({ id: rootKeyNumber, key: root.key }, place(dataKeyId), wrapped);
}
