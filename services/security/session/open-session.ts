import { createHash } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { wipe } from '#core/channel/bytes.ts';
import { agreeSession, type OpenMessage, sealOpenReply } from '#core/channel/open-session.ts';
import { appRefused } from '#core/errors/app-refused.ts';
import { SallyportError } from '#core/errors/error.ts';
import { appRefusal, describeRefusal } from '#core/policy/app-refusal.ts';
import type { AppContext } from '#core/policy/facts.ts';
import {
  type OpenSessionBody,
  OpenSessionBodySchema,
  OpenSessionReplyBodySchema,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import { OpenSessionResponseSchema, type SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Db } from '#kernel/db/db.ts';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import { atMost } from '#kernel/time/at-most.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { appFacts } from '../authorize/facts.ts';
import type { PolicyStore } from '../authorize/policy-store.ts';
import type { AppVersions } from '../catalog/app-versions.ts';
import type { Sightings } from '../devices/sightings.ts';
import { canonicalUser, type User } from '../directory/users.ts';
import { AsOf } from '../feed/as-of.ts';
import type { Feed } from '../feed/feed.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import type { Enrolment } from '../keystore/enrolments.ts';
import { setPin } from '../keystore/pins.ts';
import type { KeyTables } from '../store/tables-keys.ts';
import { addressOf } from '../throttle/address-of.ts';
import type { Limits } from '../throttle/limits.ts';
import { checkDeviceTime } from './clock-skew.ts';
import { parseInside } from './parse-inside.ts';
import type { SessionRecord } from './record.ts';
import { checkRoute } from './route.ts';
import type { Sessions } from './sessions.ts';
import { type SettleDeps, settleSharedKey } from './settle-shared-key.ts';
import { type Opened, type UnsealDeps, unsealOpening } from './unseal-opening.ts';
import { type VerifyUserDeps, verifyUser } from './verify-user.ts';

export interface OpenSessionDeps extends UnsealDeps, SettleDeps, VerifyUserDeps {
  readonly db: Db<KeyTables>;
  readonly dataKeys: DataKeys;
  readonly sessions: Pick<Sessions, 'open' | 'findOpened'>;
  readonly feed: Pick<Feed, 'position' | 'assertFresh'>;
  readonly clock: Clock;
  readonly lifetimeMs: number;
  /** Told to devices; empty: the edges that they know. */
  readonly proxyUrls: readonly string[];
  /** Where there are two; the first one is meant by who names none. */
  readonly sites: readonly { readonly name: string; readonly edgeUrls: readonly string[] }[];
  readonly limits: Limits;
  readonly policies: Pick<PolicyStore, 'current'>;
  readonly appVersions: Pick<AppVersions, 'refusal'>;
  /** Learns from which app sessions are opened. */
  readonly sightings: Pick<Sightings, 'note'>;
}

/**
 * Opening a session. What is cheap stands before what costs: route, throttles, key look-up; then the
 * message must open under the device's shared key before a password is hashed for it.
 */
export function openSession(deps: OpenSessionDeps): Handlers<typeof SessionService>['openSession'] {
  return async (request, call) => {
    const { sealed, routeKey } = request;
    if (sealed === undefined) throw new SallyportError('MALFORMED');
    checkRoute(call, routeKey);
    deps.limits.devicePasswords.check(routeKey);
    deps.feed.assertFresh();
    // Before any credential is read: whatever is revoked from here on ends this session too.
    const asOf = new AsOf(deps.feed.position);
    const message: OpenMessage = { ...sealed, routeKey };
    const context = { address: addressOf(call), asOf, ...held(call) };
    const opened = await unsealOpening(deps, message, context);
    const { enrolment, received } = opened;
    try {
      if (enrolment.revokedMs !== undefined) throw new SallyportError('ENROLMENT_REVOKED');
      if (enrolment.blockedMs !== undefined) throw new SallyportError('DEVICE_BLOCKED');
      const body = parseInside(OpenSessionBodySchema, received.plaintext);
      checkDeviceTime(body.timeMs, deps.clock.now());
      const openHash = digestOf(message);
      const attempt = { opened, body, openHash, asOf };
      const repeated = deps.sessions.findOpened(openHash);
      const early = await atMost(deps.clock, repeated, headStartMs);
      if (early !== undefined) return storedReply(early);
      // Where the database is slow, nobody waits for both, one after the other.
      const [before, proved] = await Promise.allSettled([repeated, prove(deps, call, attempt)]);
      if (before.status === 'rejected') throw before.reason;
      if (before.value !== undefined) return storedReply(before.value);
      if (proved.status === 'rejected') throw proved.reason;
      return await open(deps, call, attempt, proved.value);
    } finally {
      wipe(received.plaintext, received.exported, enrolment.sharedKey, ...enrolment.nextKeys);
    }
  };
}

interface Attempt {
  readonly opened: Opened;
  readonly body: OpenSessionBody;
  readonly openHash: Uint8Array;
  readonly asOf: AsOf;
}

/** What the user shows has been proved, and the app may be used. */
interface Proved {
  readonly facts: AppContext;
  readonly proxyUrls: string[];
  readonly user: User;
  readonly amr: readonly string[];
}

/** Milliseconds for which the look-up of a message that was sent before goes alone: many times what it takes. */
const headStartMs = 50;

async function prove(
  deps: OpenSessionDeps,
  call: CallContext,
  { opened: { enrolment }, body, asOf }: Attempt,
): Promise<Proved> {
  const { app } = body;
  if (app === undefined) throw new SallyportError('MALFORMED');
  const facts = appFacts(app, enrolment.attested);
  const proxyUrls = urlsOf(deps, body.site);
  // Before a password is asked for: no right one would help.
  const refusal = isForged(facts, enrolment)
    ? 'APP_CERTIFICATE'
    : appRefusal(deps.policies.current.policy, facts);
  if (refusal) throw appRefused({ reason: refusal, explain: describeRefusal(refusal, facts) });
  const tooOld = deps.appVersions.refusal(facts);
  if (tooOld) throw tooOld;
  // The device is one user's, for one app.
  if (canonicalUser(body.user) !== enrolment.user || app.appId !== enrolment.appId) {
    deps.limits.devicePasswords.take(enrolment.routeKey);
    throw new SallyportError('CREDENTIALS_INVALID');
  }
  const { user, amr } = await verifyUser(deps, enrolment, body, { asOf, ...held(call) });
  return { facts, proxyUrls, user, amr };
}

async function open(deps: OpenSessionDeps, call: CallContext, attempt: Attempt, proved: Proved) {
  const { opened, body, openHash, asOf } = attempt;
  const { enrolment, received } = opened;
  const { facts, proxyUrls, user, amr } = proved;
  if (body.newPin !== '') {
    // Whoever knows the old PIN only gives himself no new one.
    if (!amr.some((way) => way !== 'pin')) throw new SallyportError('CREDENTIALS_INVALID');
    await setPin(deps, enrolment, body.newPin, held(call));
  }
  const agreed = agreeSession(channelCrypto, received, body.deviceShare);
  const sharedKeyVersion = await settleSharedKey(deps, opened, agreed.sessionKey);
  const record = await deps.sessions.open({
    routeKey: enrolment.routeKey,
    kind: 'device',
    user: user.name,
    groups: user.groups,
    deviceId: enrolment.deviceId,
    app: facts,
    amr,
    feedPosition: asOf.position,
    openHash,
    lifetimeMs: deps.lifetimeMs,
    build: (id, expiresAtMs) => {
      const plaintext = toBinary(
        OpenSessionReplyBodySchema,
        create(OpenSessionReplyBodySchema, {
          sessionId: id,
          expiresAtMs: BigInt(expiresAtMs),
          proxyUrls,
          serverTimeMs: BigInt(deps.clock.now()),
          sharedKeyVersion,
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
  deps.sightings.note({ routeKey: record.routeKey, app: facts, seenMs: record.openedAtMs });
  // Another copy of the message was faster, so no reply was sealed under this one's key.
  wipe(agreed.replyKey);
  return storedReply(record);
}

/** @throws SITE_UNKNOWN */
function urlsOf({ sites, proxyUrls }: OpenSessionDeps, name: string): string[] {
  const site = name === '' ? sites[0] : sites.find((each) => each.name === name);
  if (site !== undefined) return [...site.edgeUrls];
  if (name === '') return [...proxyUrls];
  throw new SallyportError('SITE_UNKNOWN', {
    message: `there is no site ${JSON.stringify(name)}`,
    hint: `sites are: ${sites.map((each) => each.name).join(', ') || 'this one only, which needs no name'}`,
  });
}

/** The app names another signing certificate than its platform has attested. */
const isForged = ({ certDigest }: AppContext, { attested }: Enrolment): boolean =>
  attested !== undefined && attested.certDigest !== '' && certDigest !== attested.certDigest;

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
