import type { Kysely, Selectable } from 'kysely';
import { keyBytes } from '#core/channel/constants.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { Attested } from '../attestation/attestation.ts';
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
  /** Keys of a rotation, newest first: the device may have been told of any and has used none yet. */
  readonly nextKeys: readonly Uint8Array[];
  /** Argon2id, a PHC string; undefined while the device has no PIN. */
  readonly pinHash: string | undefined;
  /** Wrong PINs since the last right one. */
  readonly pinFailures: number;
  /** 1 from enrolment, one more with each rotation. */
  readonly keyVersion: number;
  readonly rotationPending: boolean;
  readonly createdMs: number;
  readonly revokedMs: number | undefined;
  /** Since when it may open no sessions. */
  readonly blockedMs: number | undefined;
  /** `operator/<name>` or `person/<user>`. */
  readonly blockedBy: string | undefined;
  /** What the platform vouched for when it was enrolled. */
  readonly attested: Attested | undefined;
}

/** An enrolment as administrators see it: without keys. */
export type EnrolmentInfo = Omit<Enrolment, 'sharedKey' | 'nextKeys' | 'pinHash' | 'pinFailures'>;

/** Where a sealed key lies. */
export const sealedAs = (routeKey: string, column: 'sealed_key' | 'sealed_next' | 'sealed_pin'): RowName => ({
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
    nextKeys: await openNextKeys(dataKeys, row),
    pinHash:
      row.sealed_pin === null
        ? undefined
        : await openText(dataKeys, sealedAs(routeKey, 'sealed_pin'), row.sealed_pin),
    pinFailures: row.pin_failures,
  };
}

const openText = async (dataKeys: DataKeys, name: RowName, sealed: Uint8Array): Promise<string> =>
  Buffer.from(await dataKeys.open(name, sealed)).toString();

/** Newest first. */
export async function openNextKeys(
  dataKeys: DataKeys,
  { route_key, sealed_next }: Pick<SharedKeyRow, 'route_key' | 'sealed_next'>,
): Promise<Uint8Array[]> {
  if (sealed_next === null) return [];
  const all = await dataKeys.open(sealedAs(route_key, 'sealed_next'), sealed_next);
  return Array.from({ length: all.length / keyBytes }, (_, n) =>
    all.subarray(n * keyBytes, (n + 1) * keyBytes),
  );
}

export interface NewEnrolment {
  readonly routeKey: string;
  readonly deviceId: string;
  readonly deviceName: string;
  readonly user: string;
  readonly appId: string;
  readonly platform: string;
  readonly sharedKey: Uint8Array;
  readonly attested: Attested | undefined;
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
      sealed_pin: null,
      blocked_ms: null,
      blocked_by: null,
      attested_json: enrolment.attested === undefined ? null : JSON.stringify(enrolment.attested),
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

/**
 * Ends the enrolment of a device whose place another one takes.
 * @throws ACTIVATION_INVALID when it has ended otherwise since the code was made: whoever ended it did not mean that
 */
export async function replaceEnrolment(
  trx: Kysely<KeyTables>,
  routeKey: string,
  nowMs: number,
): Promise<EnrolmentInfo> {
  const info = infoOf(await lockEnrolment(trx, routeKey));
  if (info.revokedMs !== undefined) throw new SallyportError('ACTIVATION_INVALID');
  await revokeEnrolment(trx, routeKey, nowMs);
  return info;
}

/** @throws KEY_UNKNOWN */
export async function lockEnrolment(
  trx: Kysely<KeyTables>,
  routeKey: string,
): Promise<Selectable<SharedKeyRow>> {
  const row = await trx
    .selectFrom('shared_keys')
    .selectAll()
    .where('route_key', '=', routeKey)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) throw new SallyportError('KEY_UNKNOWN', { message: `no enrolment ${routeKey}` });
  return row;
}

export function infoOf(row: Selectable<SharedKeyRow>): EnrolmentInfo {
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
    blockedMs: row.blocked_ms ?? undefined,
    blockedBy: row.blocked_by ?? undefined,
    attested: row.attested_json === null ? undefined : (JSON.parse(row.attested_json) as Attested),
  };
}
