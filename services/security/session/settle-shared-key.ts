import { wipe } from '#core/channel/bytes.ts';
import { rotatedSharedKey } from '#core/channel/rotate-shared-key.ts';
import { SallyportError } from '#core/errors/error.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import { addNextKey, promoteNextKey } from '../keystore/rotate-enrolment.ts';
import type { KeyTables } from '../store/tables-keys.ts';
import type { Opened } from './unseal-opening.ts';

export interface SettleDeps {
  readonly db: Pick<Db<KeyTables>, 'tx'>;
  readonly dataKeys: DataKeys;
  readonly log: Logger;
}

/** Milliseconds for which a login waits on the database for the sake of a rotation. */
const patienceMs = 1000;

/**
 * Which shared key the device is to use after this opening: the number for its answer. A rotation that was
 * asked for takes a step, if the database can store it; else it waits for the next opening, since logins
 * need reads only. The key that the answer promises is stored before the answer is made.
 */
export async function settleSharedKey(
  deps: SettleDeps,
  { enrolment, byNextKey }: Opened,
  sessionKey: Uint8Array,
): Promise<number> {
  const { keyVersion, rotationPending, routeKey } = enrolment;
  const options = { idempotent: true, deadlineMs: patienceMs };
  if (byNextKey !== undefined) {
    // If it cannot be made the only one now, both go on to be accepted.
    await unlessDown(deps, routeKey, () =>
      deps.db.tx((trx) => promoteNextKey(trx, deps.dataKeys, enrolment, byNextKey), options),
    );
    return keyVersion + 1;
  }
  if (!rotationPending) return keyVersion;
  const next = rotatedSharedKey(channelCrypto, sessionKey);
  const stored = await unlessDown(deps, routeKey, () =>
    deps.db.tx((trx) => addNextKey(trx, deps.dataKeys, enrolment, next), options),
  );
  wipe(next);
  return stored === true ? keyVersion + 1 : keyVersion;
}

async function unlessDown<T>(
  { log }: SettleDeps,
  routeKey: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const { status, reason } = SallyportError.from(error);
    if (status !== 'UNAVAILABLE' && reason !== 'DB_OUTCOME_UNKNOWN') throw error;
    log.warn({ err: error, routeKey }, 'the rotation of a shared key waits for the database');
    return undefined;
  }
}
