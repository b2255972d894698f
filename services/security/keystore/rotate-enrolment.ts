import type { Kysely } from 'kysely';
import { concat } from '#core/channel/bytes.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { KeyTables } from '../store/tables-keys.ts';
import type { DataKeys } from './data-keys.ts';
import {
  type Enrolment,
  type EnrolmentInfo,
  infoOf,
  lockEnrolment,
  openNextKeys,
  sealedAs,
} from './enrolments.ts';

/**
 * Keys of a rotation that are kept. Each opening under the old key agrees one more, and nobody here knows
 * which of the answers has reached the device.
 */
const maxNextKeys = 4;

/** @throws KEY_UNKNOWN */
export async function requestRotation(trx: Kysely<KeyTables>, routeKey: string): Promise<EnrolmentInfo> {
  const row = await lockEnrolment(trx, routeKey);
  if (row.revoked_ms !== null) {
    throw new SallyportError('KEY_UNKNOWN', { message: 'this enrolment has been revoked' });
  }
  await trx
    .updateTable('shared_keys')
    .set({ rotation_pending: 1 })
    .where('route_key', '=', routeKey)
    .execute();
  return { ...infoOf(row), rotationPending: true };
}

/**
 * Stores a key that a rotation has agreed with the device, beside the one in use.
 * @returns false when it may not be told to the device: the enrolment has changed since it was read
 */
export async function addNextKey(
  trx: Kysely<KeyTables>,
  dataKeys: DataKeys,
  { routeKey, keyVersion }: Enrolment,
  next: Uint8Array,
): Promise<boolean> {
  const row = await lockEnrolment(trx, routeKey);
  if (row.rotation_pending === 0 || row.key_version !== keyVersion || row.revoked_ms !== null) return false;
  const known = (await openNextKeys(dataKeys, row)).filter((key) => Buffer.compare(key, next) !== 0);
  const sealed = dataKeys.seal(
    sealedAs(routeKey, 'sealed_next'),
    concat(...[next, ...known].slice(0, maxNextKeys)),
  );
  await trx
    .updateTable('shared_keys')
    .set({ sealed_next: Buffer.from(sealed) })
    .where('route_key', '=', routeKey)
    .execute();
  return true;
}

/** The device has used this one of the next keys: from now on it is the only key. Nothing happens if it is already. */
export async function promoteNextKey(
  trx: Kysely<KeyTables>,
  dataKeys: DataKeys,
  { routeKey, keyVersion }: Enrolment,
  used: Uint8Array,
): Promise<void> {
  await trx
    .updateTable('shared_keys')
    .set({
      sealed_key: Buffer.from(dataKeys.seal(sealedAs(routeKey, 'sealed_key'), used)),
      sealed_next: null,
      key_version: keyVersion + 1,
      rotation_pending: 0,
    })
    .where('route_key', '=', routeKey)
    .where('key_version', '=', keyVersion)
    .execute();
}
