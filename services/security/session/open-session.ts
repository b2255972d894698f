import { createHash } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { wipe } from '#core/channel/bytes.ts';
import {
  agreeSession,
  type OpenMessage,
  type OpenReceived,
  openOpenSession,
  sealOpenReply,
} from '#core/channel/open-session.ts';
import { rotatedSharedKey } from '#core/channel/rotate-shared-key.ts';
import { SallyportError } from '#core/errors/error.ts';
import {
  type OpenSessionBody,
  OpenSessionBodySchema,
  OpenSessionReplyBodySchema,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import { OpenSessionResponseSchema, type SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Db } from '#kernel/db/db.ts';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { appFacts } from '../authorize/facts.ts';
import type { Credentials } from '../directory/credentials.ts';
import type { Feed } from '../feed/feed.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import { type Enrolment, findEnrolment, promoteNextKey, storeNextKey } from '../keystore/enrolments.ts';
import type { Keyring } from '../keystore/keyring.ts';
import type { KeyTables } from '../store/tables-keys.ts';
import type { Throttle } from '../throttle/throttle.ts';
import { checkDeviceTime } from './clock-skew.ts';
import { parseInside } from './parse-inside.ts';
import type { SessionRecord } from './record.ts';
import { checkRoute } from './route.ts';
import type { Sessions } from './sessions.ts';

export interface OpenSessionDeps {
  readonly db: Db<KeyTables>;
  /** Reads that a secondary serves while there is no primary. */
  readonly replica: Pick<Db<KeyTables>, 'read'>;
  readonly dataKeys: DataKeys;
  readonly keyring: Keyring;
  readonly credentials: Credentials;
  readonly sessions: Sessions;
  readonly feed: Pick<Feed, 'position' | 'assertFresh'>;
  readonly clock: Clock;
  readonly lifetimeMs: number;
  /** Told to devices; empty: the edges that they know. */
  readonly proxyUrls: readonly string[];
  /** Messages that do not open, per address. */
  readonly unsealable: Throttle;
  /** Wrong passwords, per enrolment: whoever has not got the device's shared key cannot lock its user out. */
  readonly wrongPasswords: Throttle;
}

/** An enrolment whose key has opened the message. */
interface Opened {
  readonly enrolment: Enrolment;
  readonly received: OpenReceived;
  /** The device has used the key of a rotation, not the one before. */
  readonly byNextKey: boolean;
}

/**
 * Opening a session. What is cheap stands before what costs: route, throttle, key look-up; then the
 * message must open under the device's shared key before a password is hashed for it.
 */
export function openSession(deps: OpenSessionDeps): Handlers<typeof SessionService>['openSession'] {
  return async (request, call) => {
    const { sealed, routeKey } = request;
    if (sealed === undefined) throw new SallyportError('MALFORMED');
    checkRoute(call, routeKey);
    const address = call.remoteAddress ?? call.caller.pod;
    deps.unsealable.check(address);
    deps.wrongPasswords.check(routeKey);
    deps.feed.assertFresh();
    // Before any credential is read: whatever is revoked from here on ends this session too.
    const feedPosition = deps.feed.position;
    const message: OpenMessage = { ...sealed, routeKey };
    const opened = await unseal(deps, message, address);
    try {
      const body = parseInside(OpenSessionBodySchema, opened.received.plaintext);
      if (opened.enrolment.revokedMs !== undefined) throw new SallyportError('ENROLMENT_REVOKED');
      checkDeviceTime(body.timeMs, deps.clock.now());
      const openHash = digestOf(message);
      const repeated = await deps.sessions.findOpened(openHash);
      if (repeated !== undefined) return storedReply(repeated);
      return await open(deps, call, { opened, body, openHash, feedPosition });
    } finally {
      wipe(opened.received.plaintext, opened.received.exported);
      wipe(opened.enrolment.sharedKey);
      if (opened.enrolment.nextKey !== undefined) wipe(opened.enrolment.nextKey);
    }
  };
}

async function unseal(deps: OpenSessionDeps, message: OpenMessage, address: string): Promise<Opened> {
  const recipient = await deps.keyring.recipient(message.suite, message.keyId);
  const enrolment = await deps.replica.read((db) => findEnrolment(db, deps.dataKeys, message.routeKey));
  try {
    // An unknown route key costs as much and looks the same as a wrong shared key.
    if (enrolment === undefined) {
      await openOpenSession(recipient, channelCrypto.randomBytes(32), message);
      throw new SallyportError('UNSEALABLE');
    }
    const { nextKey } = enrolment;
    if (nextKey !== undefined) {
      const received = await openOpenSession(recipient, nextKey, message).catch(ifUnsealable);
      if (received !== undefined) return { enrolment, received, byNextKey: true };
    }
    const received = await openOpenSession(recipient, enrolment.sharedKey, message);
    return { enrolment, received, byNextKey: false };
  } catch (error) {
    if (SallyportError.from(error).reason === 'UNSEALABLE') deps.unsealable.count(address);
    throw error;
  }
}

/** Not this key: the other one is tried next. */
function ifUnsealable(error: unknown): undefined {
  if (SallyportError.from(error).reason !== 'UNSEALABLE') throw error;
  return undefined;
}

interface Attempt {
  readonly opened: Opened;
  readonly body: OpenSessionBody;
  readonly openHash: Uint8Array;
  readonly feedPosition: number;
}

async function open(deps: OpenSessionDeps, call: CallContext, attempt: Attempt) {
  const { opened, body, openHash, feedPosition } = attempt;
  const { enrolment, received } = opened;
  const { app } = body;
  if (app === undefined) throw new SallyportError('MALFORMED');
  const user = await deps.credentials.verify(body.user, body.password, call.signal);
  // The device is one user's; another one's right password is no better here than a wrong one.
  if (user?.name !== enrolment.user || app.appId !== enrolment.appId) {
    deps.wrongPasswords.count(enrolment.routeKey);
    throw new SallyportError('CREDENTIALS_INVALID');
  }
  deps.wrongPasswords.forgive(enrolment.routeKey);
  if (opened.byNextKey)
    await deps.db.tx((trx) => promoteNextKey(trx, deps.dataKeys, enrolment), { idempotent: true });
  const rotating = enrolment.rotationPending && !opened.byNextKey;
  const keyVersion = enrolment.keyVersion + (opened.byNextKey ? 1 : 0);
  const agreed = agreeSession(channelCrypto, received, body.deviceShare);
  if (rotating) {
    const next = rotatedSharedKey(channelCrypto, agreed.sessionKey);
    await deps.db.tx((trx) => storeNextKey(trx, deps.dataKeys, enrolment.routeKey, next), {
      idempotent: true,
    });
    wipe(next);
  }
  const record = await deps.sessions.open({
    routeKey: enrolment.routeKey,
    kind: 'device',
    user: user.name,
    groups: user.groups,
    deviceId: enrolment.deviceId,
    app: appFacts(app),
    feedPosition,
    openHash,
    lifetimeMs: deps.lifetimeMs,
    build: (id, expiresAtMs) => {
      const plaintext = toBinary(
        OpenSessionReplyBodySchema,
        create(OpenSessionReplyBodySchema, {
          sessionId: id,
          expiresAtMs: BigInt(expiresAtMs),
          proxyUrls: [...deps.proxyUrls],
          serverTimeMs: BigInt(deps.clock.now()),
          sharedKeyVersion: keyVersion + (rotating ? 1 : 0),
        }),
      );
      const ciphertext = sealOpenReply(channelCrypto, agreed, plaintext);
      return {
        sessionKey: agreed.sessionKey,
        openReply: toBinary(
          OpenSessionResponseSchema,
          create(OpenSessionResponseSchema, { serverShare: agreed.serverShare, ciphertext }),
        ),
      };
    },
  });
  return storedReply(record);
}

/** The answer is kept with the session: a repeated message gets these very bytes, from whichever pod. */
function storedReply(record: SessionRecord) {
  if (record.openReply === undefined) throw new SallyportError('SESSION_UNKNOWN');
  return fromBinary(OpenSessionResponseSchema, record.openReply);
}

function digestOf(message: OpenMessage): Uint8Array {
  return createHash('sha256')
    .update(`${message.suite}\0${message.keyId}\0${message.routeKey}\0`)
    .update(message.enc)
    .update(message.ciphertext)
    .digest();
}
