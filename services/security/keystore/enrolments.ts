import type { Kysely, Selectable } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import type { KeyTables, SharedKeyRow } from '../store/tables-keys.ts';
import type { DataKeys, RowName } from './data-keys.ts';

/** One installation of an app on one device, and the keys it shares with this tier. */
export interface Enrolment {
  readonly routeKey: string;
  readonly deviceId: string;
  readonly deviceName: string;
  readonly user: string;
  readonly appId: string;
  readonly platform: string;
  /** 32 bytes. */
  readonly sharedKey: Uint8Array;
  /** The key of a rotation that the device was told of and has not used yet. */
  readonly nextKey: Uint8Array | undefined;
  /** 1 from enrolment, one more with each rotation. */
  readonly keyVersion: number;
  readonly rotationPending: boolean;
  readonly createdMs: number;
  readonly revokedMs: number | undefined;
}

/** An enrolment as administrators see it: without keys. */
export type EnrolmentInfo = Omit<Enrolment, 'sharedKey' | 'nextKey'>;

const sealedAs = (routeKey: string, column: 'sealed_key' | 'sealed_next'): RowName => ({
  table: 'shared_keys',
  row: routeKey,
  column,
});

/** @throws SEALED_ROW_DAMAGED */
export async function findEnrolment(
  db: Kysely<KeyTables>,
  dataKeys: DataKeys,
  routeKey: string,
): Promise<Enrolment | undefined> {
  const row = await db
    .selectFrom('shared_keys')
    .selectAll()
    .where('route_key', '=', routeKey)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    ...infoOf(row),
    sharedKey: await dataKeys.open(sealedAs(routeKey, 'sealed_key'), row.sealed_key),
    nextKey:
      row.sealed_next === null
        ? undefined
        : await dataKeys.open(sealedAs(routeKey, 'sealed_next'), row.sealed_next),
  };
}

export interface NewEnrolment {
  readonly routeKey: string;
  readonly deviceId: string;
  readonly deviceName: string;
  readonly user: string;
  readonly appId: string;
  readonly platform: string;
  readonly sharedKey: Uint8Array;
}

export async function insertEnrolment(
  trx: Kysely<KeyTables>,
  dataKeys: DataKeys,
  enrolment: NewEnrolment,
  nowMs: number,
): Promise<void> {
  await trx
    .insertInto('shared_keys')
    .values({
      route_key: enrolment.routeKey,
      device_id: enrolment.deviceId,
      device_name: enrolment.deviceName,
      user: enrolment.user,
      app_id: enrolment.appId,
      platform: enrolment.platform,
      sealed_key: Buffer.from(dataKeys.seal(sealedAs(enrolment.routeKey, 'sealed_key'), enrolment.sharedKey)),
      sealed_next: null,
      key_version: 1,
      rotation_pending: 0,
      created_ms: nowMs,
      revoked_ms: null,
    })
    .execute();
}

export interface EnrolmentPage {
  readonly user?: string | undefined;
  readonly includeRevoked: boolean;
  readonly limit: number;
  /** Of the last one on the page before. */
  readonly after?: { readonly createdMs: number; readonly routeKey: string } | undefined;
}

/** Newest first. */
export async function listEnrolments(db: Kysely<KeyTables>, page: EnrolmentPage): Promise<EnrolmentInfo[]> {
  const { user, after } = page;
  const rows = await db
    .selectFrom('shared_keys')
    .selectAll()
    .$if(user !== undefined, (q) => q.where('user', '=', user ?? ''))
    .$if(!page.includeRevoked, (q) => q.where('revoked_ms', 'is', null))
    .$if(after !== undefined, (q) =>
      q.where((e) =>
        e.or([
          e('created_ms', '<', after?.createdMs ?? 0),
          e.and([e('created_ms', '=', after?.createdMs ?? 0), e('route_key', '<', after?.routeKey ?? '')]),
        ]),
      ),
    )
    .orderBy('created_ms', 'desc')
    .orderBy('route_key', 'desc')
    .limit(page.limit)
    .execute();
  return rows.map(infoOf);
}

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

/** Revoking a revoked enrolment leaves its time as it was. @throws KEY_UNKNOWN */
export async function revokeEnrolment(
  trx: Kysely<KeyTables>,
  routeKey: string,
  nowMs: number,
): Promise<void> {
  const row = await lockEnrolment(trx, routeKey);
  if (row.revoked_ms !== null) return;
  await trx.updateTable('shared_keys').set({ revoked_ms: nowMs }).where('route_key', '=', routeKey).execute();
}

/** Stores the key that a rotation has agreed with the device, beside the one in use. */
export async function storeNextKey(
  trx: Kysely<KeyTables>,
  dataKeys: DataKeys,
  routeKey: string,
  next: Uint8Array,
): Promise<void> {
  await trx
    .updateTable('shared_keys')
    .set({ sealed_next: Buffer.from(dataKeys.seal(sealedAs(routeKey, 'sealed_next'), next)) })
    .where('route_key', '=', routeKey)
    .where('rotation_pending', '=', 1)
    .execute();
}

/** The device has used the next key: from now on it is the only one. Nothing happens if it is already. */
export async function promoteNextKey(
  trx: Kysely<KeyTables>,
  dataKeys: DataKeys,
  enrolment: Enrolment,
): Promise<void> {
  const { routeKey, nextKey, keyVersion } = enrolment;
  if (nextKey === undefined) return;
  await trx
    .updateTable('shared_keys')
    .set({
      sealed_key: Buffer.from(dataKeys.seal(sealedAs(routeKey, 'sealed_key'), nextKey)),
      sealed_next: null,
      key_version: keyVersion + 1,
      rotation_pending: 0,
    })
    .where('route_key', '=', routeKey)
    .where('key_version', '=', keyVersion)
    .execute();
}

async function lockEnrolment(trx: Kysely<KeyTables>, routeKey: string): Promise<Selectable<SharedKeyRow>> {
  const row = await trx
    .selectFrom('shared_keys')
    .selectAll()
    .where('route_key', '=', routeKey)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) throw new SallyportError('KEY_UNKNOWN', { message: `no enrolment ${routeKey}` });
  return row;
}

function infoOf(row: SharedKeyRow): EnrolmentInfo {
  return {
    routeKey: row.route_key,
    deviceId: row.device_id,
    deviceName: row.device_name,
    user: row.user,
    appId: row.app_id,
    platform: row.platform,
    keyVersion: row.key_version,
    rotationPending: row.rotation_pending !== 0,
    createdMs: row.created_ms,
    revokedMs: row.revoked_ms ?? undefined,
  };
}
