import { create } from '@bufbuild/protobuf';
import { type AppContext, freezeSession, type SessionFacts } from '#core/policy/facts.ts';
import {
  SessionFactsSchema,
  type SessionFacts as WireFacts,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { AppContextSchema, type AppContext as WireApp } from '#gen/sallyport/channel/v1/channel_pb.js';
import { type Attested, claimsOf, ownClaims } from '../attestation/attestation.ts';
import type { SessionRecord } from '../session/record.ts';

/**
 * The app context of a message, as policy sees it. What the platform has attested is a claim of this tier's, which
 * no app can make itself.
 */
export function appFacts(app: WireApp, attested: Attested | undefined): AppContext {
  const own = Object.entries(app.posture).filter(([name]) => !ownClaims.test(name));
  return {
    platform: app.platform.toLowerCase(),
    appId: app.appId,
    version: app.version,
    certDigest: Buffer.from(app.certDigest).toString('hex') || (attested?.certDigest ?? ''),
    osVersion: app.osVersion,
    posture: { ...Object.fromEntries(own), ...(attested && claimsOf(attested)) },
  };
}

/** The session as policy sees it; frozen, so that what it may do is worked out once. */
export function sessionFacts(record: SessionRecord): SessionFacts {
  return freezeSession({
    user: record.user,
    groups: record.groups,
    deviceId: record.deviceId,
    expiresAt: record.expiresAtMs,
    authLevel: record.amr.length,
    app: record.app,
  });
}

const made = new WeakMap<SessionRecord, WireFacts>();

/** The session as a lease carries it; made once for a record, which never changes. */
export function wireFacts(record: SessionRecord): WireFacts {
  let facts = made.get(record);
  if (facts === undefined) {
    facts = makeFacts(record);
    made.set(record, facts);
  }
  return facts;
}

function makeFacts(record: SessionRecord): WireFacts {
  const { app } = record;
  return create(SessionFactsSchema, {
    user: record.user,
    groups: [...record.groups],
    deviceId: record.deviceId,
    expiresAtMs: BigInt(record.expiresAtMs),
    authLevel: record.amr.length,
    ...(app && { app: wireApp(app) }),
  });
}

function wireApp(app: AppContext): WireApp {
  const posture = Object.entries(app.posture).map(([name, value]) => [name, String(value)]);
  return create(AppContextSchema, {
    platform: app.platform,
    appId: app.appId,
    version: app.version,
    certDigest: Buffer.from(app.certDigest, 'hex'),
    osVersion: app.osVersion,
    posture: Object.fromEntries(posture),
  });
}
