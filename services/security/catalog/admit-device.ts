import type { Kysely } from 'kysely';
import { deviceProof } from '#core/channel/device-proof.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { DeviceProof } from '#gen/sallyport/catalog/v1/catalog_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import { type EnrolmentInfo, findEnrolment } from '../keystore/enrolments.ts';
import { checkDeviceTime } from '../session/clock-skew.ts';
import type { SecurityTables } from '../store/tables.ts';

/**
 * The enrolment that a proof speaks for. Unknown enrolments and wrong proofs look the same.
 * @throws MALFORMED, CLOCK_SKEW, DEVICE_UNKNOWN, ENROLMENT_REVOKED, DEVICE_BLOCKED
 */
export async function admitDevice(
  db: Kysely<SecurityTables>,
  dataKeys: DataKeys,
  proof: DeviceProof | undefined,
  nowMs: number,
): Promise<EnrolmentInfo> {
  if (proof === undefined) throw new SallyportError('MALFORMED');
  checkDeviceTime(proof.timeMs, nowMs);
  const enrolment = await findEnrolment(db, dataKeys, proof.routeKey);
  const keys = enrolment ? [enrolment.sharedKey, ...enrolment.nextKeys] : [];
  const right = keys.some((key) =>
    channelCrypto.constantTimeEqual(deviceProof(channelCrypto, key, proof.routeKey, proof.timeMs), proof.mac),
  );
  if (enrolment === undefined || !right) throw new SallyportError('DEVICE_UNKNOWN');
  if (enrolment.revokedMs !== undefined) throw new SallyportError('ENROLMENT_REVOKED');
  if (enrolment.blockedMs !== undefined) throw new SallyportError('DEVICE_BLOCKED');
  return enrolment;
}
