import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { wipe } from '../core/channel/bytes.ts';
import { completeSession, type OpenAttempt, sealOpenSession } from '../core/channel/open-session.ts';
import { rotatedSharedKey } from '../core/channel/rotate-shared-key.ts';
import type { OfferedKey } from '../core/channel/server-keys.ts';
import { SallyportError } from '../core/errors/error.ts';
import { canonicalUser } from '../core/ids/canonical-user.ts';
import {
  OpenSessionBodySchema,
  type OpenSessionReplyBody,
  OpenSessionReplyBodySchema,
} from '../gen/sallyport/channel/v1/channel_pb.js';
import { type OpenSessionResponse, SessionService } from '../gen/sallyport/session/v1/session_pb.js';
import { appContext } from './app-context.ts';
import type { SessionSecrets } from './attach.ts';
import { callEdges } from './call-edges.ts';
import { within } from './deadline.ts';
import type { Edges } from './edges.ts';
import type { AppInfo, Enrolment } from './enrolment.ts';
import type { OpenIdCredential } from './oidc.ts';
import type { Platform } from './platform.ts';
import { routeHeaders } from './route.ts';
import type { ServerKeys } from './server-keys.ts';

/** A password hash takes its time, and a database that fails over takes some too. */
const tryTimeoutMs = 10_000;
/** Milliseconds after which another edge is asked as well. */
const alsoAfterMs = 3000;

export interface OpenDeps {
  readonly app: AppInfo;
  readonly edges: Edges;
  readonly platform: Platform;
  readonly serverKeys: ServerKeys;
  /** The tier's clock less the device's, milliseconds, as far as it is known. */
  readonly clockOffsetMs: number;
  readonly traceparent?: string | undefined;
}

export interface Credentials {
  /** Or a profile, `user@site`. */
  readonly user: string;
  readonly password?: string;
  readonly openId?: OpenIdCredential;
  readonly pin?: string;
  readonly newPin?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface Opened {
  readonly secrets: SessionSecrets;
  readonly expiresAtMs: number;
  readonly proxyUrls: readonly string[];
  readonly clockOffsetMs: number;
  /** With a rotated key or a stronger suite; the same object when nothing changed. */
  readonly enrolment: Enrolment;
}

/**
 * Opens a session. The same sealed bytes are sent until they are answered, so a lost answer costs
 * nothing; a new message is sealed only when the tier refused the old one unread.
 */
export function openSession(deps: OpenDeps, enrolment: Enrolment, credentials: Credentials): Promise<Opened> {
  const { platform } = deps;
  return within(
    platform,
    credentials.timeoutMs ?? 30_000,
    'opening a session',
    credentials.signal,
    (signal) => open(deps, enrolment, credentials, signal),
  );
}

async function open(
  deps: OpenDeps,
  enrolment: Enrolment,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<Opened> {
  const { platform, serverKeys } = deps;
  let offsetMs = deps.clockOffsetMs;
  const corrected = new Set<string>();
  for (;;) {
    const key = await serverKeys.choose(
      enrolment.strongestSuite,
      platform.now() + deps.clockOffsetMs,
      signal,
    );
    const attempt = await seal(deps, enrolment, credentials, key, platform.now() + offsetMs);
    try {
      const response = await call(deps, attempt, signal);
      return complete(deps, enrolment, attempt, response);
    } catch (thrown) {
      const error = SallyportError.from(thrown);
      // Each is put right once: the second time it is something else.
      if (corrected.has(error.reason)) throw error;
      corrected.add(error.reason);
      if (error.reason === 'UNKNOWN_SERVER_KEY') serverKeys.forget();
      else if (error.reason === 'CLOCK_SKEW') offsetMs = offsetFrom(error, platform);
      else throw error;
    } finally {
      wipe(attempt.exported, attempt.share.secretKey);
    }
  }
}

/** The server's time from the error in clear is used for this one message only: nobody has sealed it. */
function offsetFrom(error: SallyportError, platform: Platform): number {
  const told = Number(error.metadata.server_time_ms);
  if (!Number.isFinite(told) || told <= 0) throw error;
  return told - platform.now();
}

/** A user's name may hold an @ itself; the device is one user's, so what follows that name is the site. */
function readProfile(profile: string, enrolled: string): { user: string; site: string } {
  const at = profile.lastIndexOf('@');
  const user = profile.slice(0, at);
  return at > 0 && canonicalUser(user) === canonicalUser(enrolled)
    ? { user, site: profile.slice(at + 1) }
    : { user: profile, site: '' };
}

function seal(
  deps: OpenDeps,
  enrolment: Enrolment,
  { user, password = '', openId, pin = '', newPin = '' }: Credentials,
  key: OfferedKey,
  timeMs: number,
): Promise<OpenAttempt> {
  const { routeKey, sharedKey } = enrolment;
  const profile = readProfile(user, enrolment.user);
  return sealOpenSession(deps.platform.crypto, { ...key, routeKey, sharedKey }, (deviceShare) =>
    toBinary(
      OpenSessionBodySchema,
      create(OpenSessionBodySchema, {
        timeMs: BigInt(Math.round(timeMs)),
        ...profile,
        ...{ password, pin, newPin, ...(openId && { openId }) },
        app: appContext(deps.app),
        deviceShare,
      }),
    ),
  );
}

function call(deps: OpenDeps, attempt: OpenAttempt, signal: AbortSignal): Promise<OpenSessionResponse> {
  const { suite, keyId, routeKey, enc, ciphertext } = attempt;
  const request = { routeKey, sealed: { suite, keyId, enc, ciphertext } };
  return callEdges(
    deps.edges,
    deps.platform,
    signal,
    (edge, within) =>
      createClient(SessionService, edge.transport).openSession(request, {
        signal: within,
        timeoutMs: tryTimeoutMs,
        headers: routeHeaders(routeKey, deps.traceparent),
      }),
    // Both send the same bytes, which are answered the same.
    { alsoAfterMs },
  );
}

function complete(
  deps: OpenDeps,
  enrolment: Enrolment,
  attempt: OpenAttempt,
  response: OpenSessionResponse,
): Opened {
  const { crypto, now } = deps.platform;
  const { sessionKey, plaintext } = completeSession(crypto, attempt, response);
  const reply = fromBinary(OpenSessionReplyBodySchema, plaintext);
  return {
    secrets: { sessionId: reply.sessionId, routeKey: enrolment.routeKey, sessionKey },
    expiresAtMs: Number(reply.expiresAtMs),
    proxyUrls: reply.proxyUrls,
    clockOffsetMs: Number(reply.serverTimeMs) - now(),
    enrolment: updated(deps, enrolment, attempt, reply, sessionKey),
  };
}

function updated(
  { platform }: OpenDeps,
  enrolment: Enrolment,
  attempt: OpenAttempt,
  reply: OpenSessionReplyBody,
  sessionKey: Uint8Array,
): Enrolment {
  const rotated = reply.sharedKeyVersion === enrolment.sharedKeyVersion + 1;
  if (!rotated && attempt.suite <= enrolment.strongestSuite) return enrolment;
  return {
    ...enrolment,
    strongestSuite: Math.max(attempt.suite, enrolment.strongestSuite),
    ...(rotated && {
      sharedKey: rotatedSharedKey(platform.crypto, sessionKey),
      sharedKeyVersion: reply.sharedKeyVersion,
    }),
  };
}
