import { createHash } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { wipe } from '#core/channel/bytes.ts';
import { attestationChallenge, openEnroll, sealEnrollReply } from '#core/channel/enroll.ts';
import { SallyportError } from '#core/errors/error.ts';
import { newDeviceId, newRouteKey } from '#core/ids/ids.ts';
import {
  type EnrollBody,
  EnrollBodySchema,
  EnrollReplyBodySchema,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import { EnrollResponseSchema, type SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import type { Bound } from '#kernel/crypto/bound.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { nextTurn } from '#kernel/time/next-turn.ts';
import { type AttestationVerifiers, type Attested, verifyAttestation } from '../attestation/attestation.ts';
import type { Feed } from '../feed/feed.ts';
import { consumeActivation } from '../keystore/activations.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import { insertEnrolment, replaceEnrolment } from '../keystore/enrolments.ts';
import type { Keyring } from '../keystore/keyring.ts';
import type { SecurityTables } from '../store/tables.ts';
import { addressOf } from '../throttle/address-of.ts';
import type { Limits } from '../throttle/limits.ts';
import { parseInside } from './parse-inside.ts';

export interface EnrollDeps {
  readonly db: Db<SecurityTables>;
  readonly feed: Pick<Feed, 'append' | 'announce'>;
  readonly dataKeys: DataKeys;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'enrolments'>;
  readonly attestation: AttestationVerifiers;
  /** Where handshakes are worked on. */
  readonly handshakes: Pick<Bound, 'run'>;
}

/**
 * Enrolment. The shared key comes out of the HPKE exchange on both sides and never travels. Code
 * consumed and key stored are one transaction, and the same message gets the same answer until the code
 * expires, so a lost reply costs the device nothing.
 */
export function enroll(deps: EnrollDeps): Handlers<typeof SessionService>['enroll'] {
  return async (request, call) => {
    const address = addressOf(call);
    deps.limits.enrolments.check(address);
    const sealed = request.sealed;
    if (sealed === undefined) throw new SallyportError('MALFORMED');
    const recipient = await deps.keyring.recipient(sealed.suite, sealed.keyId);
    try {
      const opened = await deps.handshakes.run(async () => {
        await nextTurn();
        return openEnroll(recipient, sealed);
      }, call.signal);
      try {
        const body = parseInside(EnrollBodySchema, opened.plaintext);
        const { reply, position } = await deps.db.tx((trx) => answer(deps, trx, body, sealed, opened), {
          // Consuming a consumed code with the same message gives the stored reply.
          idempotent: true,
          ...held(call),
        });
        if (position > 0) await deps.feed.announce(position, 'COMMITTED');
        return fromBinary(EnrollResponseSchema, reply);
      } finally {
        wipe(opened.sharedKey, opened.replyKey, opened.plaintext);
      }
    } catch (error) {
      const { status } = SallyportError.from(error);
      if (status === 'UNAUTHENTICATED' || status === 'INVALID_ARGUMENT')
        deps.limits.enrolments.count(address);
      throw error;
    }
  };
}

/** @throws ATTESTATION_INVALID: then the code is not used up */
function attestedBy(
  { attestation: verifiers }: EnrollDeps,
  { attestation, code }: EnrollBody,
  appId: string,
  nowMs: number,
): Attested | undefined {
  if (attestation === undefined) return undefined;
  const { format, data } = attestation;
  const challenge = attestationChallenge(channelCrypto, code);
  return verifyAttestation(verifiers, format, { data, challenge, appId, nowMs });
}

type Trx = Parameters<Parameters<Db<SecurityTables>['tx']>[0]>[0];

async function answer(
  deps: EnrollDeps,
  trx: Trx,
  body: EnrollBody,
  sealed: { enc: Uint8Array; ciphertext: Uint8Array },
  keys: { sharedKey: Uint8Array; replyKey: Uint8Array },
): Promise<{ reply: Uint8Array; position: number }> {
  const nowMs = deps.clock.now();
  const { app } = body;
  if (app === undefined) throw new SallyportError('MALFORMED');
  const requestDigest = createHash('sha256').update(sealed.enc).update(sealed.ciphertext).digest();
  let position = 0;
  const reply = await consumeActivation(
    trx,
    { code: body.code, appId: app.appId, requestDigest, nowMs },
    async (activation) => {
      const routeKey = newRouteKey(channelCrypto);
      const deviceId = newDeviceId(channelCrypto);
      let { deviceName } = body;
      const { replaces } = activation;
      if (replaces !== undefined) {
        const old = await replaceEnrolment(trx, replaces, nowMs);
        if (deviceName === '') deviceName = old.deviceName;
        const reason = `replaced by ${deviceId}`;
        position = await deps.feed.append({ kind: 'shared-key', subject: replaces, reason }, trx);
      }
      await insertEnrolment(
        trx,
        deps.dataKeys,
        {
          ...activation,
          routeKey,
          deviceId,
          deviceName: deviceName === '' ? app.platform : deviceName,
          platform: app.platform,
          sharedKey: keys.sharedKey,
          attested: attestedBy(deps, body, activation.appId, nowMs),
        },
        nowMs,
      );
      const plaintext = toBinary(
        EnrollReplyBodySchema,
        create(EnrollReplyBodySchema, {
          routeKey,
          deviceId,
          user: activation.user,
          serverTimeMs: BigInt(nowMs),
        }),
      );
      const ciphertext = sealEnrollReply(
        channelCrypto,
        { replyKey: keys.replyKey, enc: sealed.enc },
        plaintext,
      );
      return toBinary(EnrollResponseSchema, create(EnrollResponseSchema, { ciphertext }));
    },
  );
  return { reply, position };
}
