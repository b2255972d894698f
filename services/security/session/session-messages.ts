import { create, toBinary } from '@bufbuild/protobuf';
import {
  openSessionRequest,
  type SessionMessageKind,
  sealSessionReply,
} from '#core/channel/session-message.ts';
import { SallyportError } from '#core/errors/error.ts';
import { routeKeyOf } from '#core/ids/session-id.ts';
import {
  type SessionMessageBody,
  SessionMessageBodySchema,
  SessionMessageReplyBodySchema,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import type { SessionSealed, SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { AsOf, type CredentialReads, readAsOf } from '../feed/as-of.ts';
import type { Feed } from '../feed/feed.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import { findEnrolment } from '../keystore/enrolments.ts';
import { checkDeviceTime } from './clock-skew.ts';
import { parseInside } from './parse-inside.ts';
import type { SessionRecord } from './record.ts';
import { checkRoute } from './route.ts';
import type { Sessions } from './sessions.ts';
import { type VerifyUserDeps, verifyUser } from './verify-user.ts';

export interface SessionMessageDeps extends VerifyUserDeps {
  /** Reads of the enrolment. */
  readonly replica: CredentialReads;
  readonly dataKeys: DataKeys;
  readonly feed: Pick<Feed, 'position'>;
  readonly sessions: Sessions;
  readonly clock: Clock;
  /** Milliseconds that a renewal adds from now. */
  readonly lifetimeMs: number;
}

type SessionHandlers = Handlers<typeof SessionService>;

/** RenewSession, CloseSession and StepUp: messages under the session key itself. */
export function sessionMessages(
  deps: SessionMessageDeps,
): Pick<SessionHandlers, 'renewSession' | 'closeSession' | 'stepUp'> {
  return {
    renewSession: async (request, call) => ({
      ciphertext: await answer(deps, 'renew', request.sealed, call, async (record) => {
        const renewed = await deps.sessions.renew(record, deps.clock.now() + deps.lifetimeMs);
        return renewed.expiresAtMs;
      }),
    }),
    stepUp: async (request, call) => ({
      ciphertext: await answer(deps, 'stepUp', request, call, async (record, body) => {
        const options = { asOf: new AsOf(deps.feed.position), ...held(call) };
        const enrolment = await readAsOf(
          deps.replica,
          options.asOf,
          (db) => findEnrolment(db, deps.dataKeys, record.routeKey),
          held(call),
        );
        if (enrolment === undefined) throw new SallyportError('SESSION_UNKNOWN');
        deps.limits.devicePasswords.check(record.routeKey);
        const { amr } = await verifyUser(deps, enrolment, body, options);
        return (await deps.sessions.stepUp(record, amr)).expiresAtMs;
      }),
    }),
    closeSession: async (request, call) => ({
      ciphertext: await answer(deps, 'close', request.sealed, call, async (record) => {
        await deps.sessions.end(record, 'closed by the device', 'COMMITTED', held(call));
        return Math.min(record.expiresAtMs, deps.clock.now());
      }),
    }),
  };
}

async function answer(
  deps: SessionMessageDeps,
  kind: SessionMessageKind,
  sealed: Pick<SessionSealed, 'sessionId' | 'nonce' | 'ciphertext'> | undefined,
  call: CallContext,
  act: (record: SessionRecord, body: SessionMessageBody) => Promise<number>,
): Promise<Uint8Array> {
  if (sealed === undefined) throw new SallyportError('MALFORMED');
  checkRoute(call, routeKeyOf(sealed.sessionId));
  const record = await deps.sessions.get(sealed.sessionId);
  // What a person's session has for a key seals nothing.
  if (record.kind !== 'device') throw new SallyportError('UNSEALABLE');
  const context = { kind, sessionId: record.id, sessionKey: record.sessionKey };
  const body = parseInside(SessionMessageBodySchema, openSessionRequest(channelCrypto, context, sealed));
  checkDeviceTime(body.timeMs, deps.clock.now());
  const expiresAtMs = await act(record, body);
  return sealSessionReply(
    channelCrypto,
    context,
    sealed.nonce,
    toBinary(
      SessionMessageReplyBodySchema,
      create(SessionMessageReplyBodySchema, {
        expiresAtMs: BigInt(expiresAtMs),
        serverTimeMs: BigInt(deps.clock.now()),
      }),
    ),
  );
}
