import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { type EnrolmentInfo, infoOf, listEnrolments } from '../keystore/enrolments.ts';
import type { SecurityTables } from '../store/tables.ts';
import { findSightings, type Sighting } from './sightings.ts';

/** A device as administrators, and whoever owns it, see it. */
export interface DeviceDetails {
  readonly enrolment: EnrolmentInfo;
  /** Undefined if it has opened no session yet. */
  readonly sighting: Sighting | undefined;
}

type On = Kysely<SecurityTables>;

/** Newest first. */
export async function listDevices(
  db: On,
  page: Parameters<typeof listEnrolments>[1],
): Promise<DeviceDetails[]> {
  return withSightings(db, await listEnrolments(db, page));
}

/**
 * One device; within a transaction that changes it, `forUpdate`.
 * @param owner only if it is this user's
 * @throws NOT_FOUND
 */
export async function findDevice(
  db: On,
  { deviceId, owner }: { readonly deviceId: string; readonly owner: string | undefined },
  forUpdate = false,
): Promise<DeviceDetails> {
  const row = await db
    .selectFrom('shared_keys')
    .selectAll()
    .where('device_id', '=', deviceId)
    .$if(owner !== undefined, (q) => q.where('user', '=', owner ?? ''))
    .$if(forUpdate, (q) => q.forUpdate())
    .executeTakeFirst();
  const [device] = row === undefined ? [] : await withSightings(db, [infoOf(row)]);
  if (device !== undefined) return device;
  throw new SallyportError('NOT_FOUND', {
    message: owner === undefined ? `there is no device ${deviceId}` : `${owner} has no device ${deviceId}`,
    ...(owner !== undefined && {
      hint: 'devices of others are for administrators, and through an edge only with `edge: {admin_api: true}`',
    }),
  });
}

/** What may change of a device. */
export async function updateDevice(
  trx: On,
  { enrolment, sighting }: DeviceDetails,
  change: Partial<Pick<EnrolmentInfo, 'deviceName' | 'blockedMs' | 'blockedBy'>>,
): Promise<DeviceDetails> {
  const changed = { ...enrolment, ...change };
  await trx
    .updateTable('shared_keys')
    .set({
      device_name: changed.deviceName,
      blocked_ms: changed.blockedMs ?? null,
      blocked_by: changed.blockedBy ?? null,
    })
    .where('route_key', '=', enrolment.routeKey)
    .execute();
  return { enrolment: changed, sighting };
}

/** Codes by which the device was to be replaced, and that nobody has used, are void. */
export async function voidReplacements(trx: On, routeKey: string): Promise<void> {
  await trx
    .deleteFrom('activations')
    .where('replaces', '=', routeKey)
    .where('consumed_by', 'is', null)
    .execute();
}

async function withSightings(db: On, enrolments: readonly EnrolmentInfo[]): Promise<DeviceDetails[]> {
  const seen = await findSightings(
    db,
    enrolments.map(({ routeKey }) => routeKey),
  );
  return enrolments.map((enrolment) => ({ enrolment, sighting: seen.get(enrolment.routeKey) }));
}
