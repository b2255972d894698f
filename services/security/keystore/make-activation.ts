import { create, toBinary } from '@bufbuild/protobuf';
import { type Timestamp, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Kysely } from 'kysely';
import { encodeActivationString } from '#core/channel/activation-string.ts';
import { ActivationSchema } from '#gen/sallyport/channel/v1/channel_pb.js';
import type { Clock } from '#kernel/time/clock.ts';
import type { KeyTables } from '../store/tables-keys.ts';
import { type Activation, createActivation, sweepActivations } from './activations.ts';
import type { Keyring } from './keyring.ts';

export interface ActivationMaker {
  readonly keyring: Pick<Keyring, 'identityDigest'>;
  readonly clock: Clock;
  /** Base URLs of the edges, for activation strings. */
  readonly edgeUrls: readonly string[];
}

const defaultTtlSeconds = 86_400;

/**
 * An activation string, whose code is stored in the caller's transaction. One whose commit is ambiguous may
 * stay behind unused: it expires.
 * @param ttlSeconds 0: a day
 * @throws NOT_FOUND (no such user)
 */
export async function makeActivation(
  { keyring, clock, edgeUrls }: ActivationMaker,
  trx: Kysely<KeyTables>,
  activation: Activation,
  ttlSeconds: number,
): Promise<{ activation: string; expiresAt: Timestamp }> {
  const nowMs = clock.now();
  const expiresMs = nowMs + 1000 * (ttlSeconds === 0 ? defaultTtlSeconds : ttlSeconds);
  await sweepActivations(trx, nowMs);
  const { code, user } = await createActivation(trx, activation, nowMs, expiresMs);
  const { appId } = activation;
  const identityDigest = keyring.identityDigest();
  const message = create(ActivationSchema, {
    ...{ code, identityDigest, edgeUrls: [...edgeUrls], userHint: user, appId },
  });
  return {
    activation: encodeActivationString(toBinary(ActivationSchema, message)),
    expiresAt: timestampFromMs(expiresMs),
  };
}
