import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { hashPassword, verifyPassword } from '#kernel/crypto/password.ts';
import type { CallOptions, Db } from '#kernel/db/db.ts';
import type { KeyTables } from '../store/tables-keys.ts';
import type { DataKeys } from './data-keys.ts';
import { type Enrolment, lockEnrolment, sealedAs } from './enrolments.ts';

/** Wrong PINs in a row, however slowly they come, after which the device has none any more: six digits are few. */
const maxFailures = 10;

export interface PinDeps {
  readonly db: Pick<Db<KeyTables>, 'tx'>;
  readonly dataKeys: Pick<DataKeys, 'seal'>;
}

/**
 * Only whoever has the device's shared key comes so far. A wrong one is counted before it is answered.
 * @throws DB_UNAVAILABLE, OVERLOADED
 */
export async function verifyPin(
  deps: PinDeps,
  enrolment: Enrolment,
  pin: string,
  options: CallOptions,
): Promise<boolean> {
  const { pinHash, pinFailures, routeKey } = enrolment;
  if (pinHash === undefined) return false;
  const right = await verifyPassword(pinHash, pin, options.signal, 'known');
  if (right && pinFailures === 0) return true;
  return deps.db.tx(
    async (trx) => {
      const row = await lockEnrolment(trx, routeKey);
      // Guesses at once have all read the same count.
      if (row.sealed_pin === null || row.pin_failures >= maxFailures) return false;
      const failures = right ? 0 : row.pin_failures + 1;
      await trx
        .updateTable('shared_keys')
        .set({ pin_failures: failures, ...(failures >= maxFailures && { sealed_pin: null }) })
        .where('route_key', '=', routeKey)
        .execute();
      return right;
    },
    { idempotent: true, ...options },
  );
}

/** @throws DB_UNAVAILABLE, OVERLOADED, KEY_UNKNOWN */
export async function setPin(
  deps: PinDeps,
  { routeKey }: Enrolment,
  pin: string,
  options: CallOptions,
): Promise<void> {
  const hash = Buffer.from(await hashPassword(pin));
  const sealed_pin = Buffer.from(deps.dataKeys.seal(sealedAs(routeKey, 'sealed_pin'), hash));
  await deps.db.tx((trx) => store(trx, routeKey, sealed_pin), { idempotent: true, ...options });
}

async function store(trx: Kysely<KeyTables>, routeKey: string, sealed_pin: Buffer): Promise<void> {
  const row = await lockEnrolment(trx, routeKey);
  if (row.revoked_ms !== null) throw new SallyportError('ENROLMENT_REVOKED');
  await trx
    .updateTable('shared_keys')
    .set({ sealed_pin, pin_failures: 0 })
    .where('route_key', '=', routeKey)
    .execute();
}
