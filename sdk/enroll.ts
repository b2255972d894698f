import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { decodeActivationString } from '../core/channel/activation-string.ts';
import { wipe } from '../core/channel/bytes.ts';
import { attestationChallenge, openEnrollReply, sealEnroll } from '../core/channel/enroll.ts';
import { SallyportError } from '../core/errors/error.ts';
import { newRouteKey } from '../core/ids/ids.ts';
import {
  type Activation,
  ActivationSchema,
  EnrollBodySchema,
  EnrollReplyBodySchema,
} from '../gen/sallyport/channel/v1/channel_pb.js';
import { SessionService } from '../gen/sallyport/session/v1/session_pb.js';
import { appContext } from './app-context.ts';
import { callEdges } from './call-edges.ts';
import { within } from './deadline.ts';
import { type ConnectEdge, Edges } from './edges.ts';
import type { AppInfo, Enrolment } from './enrolment.ts';
import type { EnrolmentStore } from './enrolment-store.ts';
import type { SdkListener } from './events.ts';
import { defaultPlatform, type Platform } from './platform.ts';
import { routeHeaders } from './route.ts';
import { ServerKeys } from './server-keys.ts';

/** The tier commits an enrolment before it answers, which a database failover delays by some 7 s. */
const tryTimeoutMs = 12_000;
/** Milliseconds after which another edge is asked as well: both send the same bytes, which are answered the same. */
const alsoAfterMs = 4000;

export interface EnrollOptions {
  readonly app: AppInfo;
  /** A name that people recognise the device by, at most 128 letters. */
  readonly deviceName: string;
  readonly connect: ConnectEdge;
  /** The enrolment is saved here before `enroll` resolves. */
  readonly store?: EnrolmentStore;
  /**
   * Has the platform attest the app for the challenge, 32 bytes: DCAppAttestService.attestKey with it as
   * clientDataHash, or a key made with setAttestationChallenge. Undefined where the platform cannot.
   */
  readonly attest?: (challenge: Uint8Array) => Promise<PlatformAttestation | undefined>;
  readonly signal?: AbortSignal;
  /** Milliseconds for all of it; default 30,000. */
  readonly timeoutMs?: number;
  readonly platform?: Platform;
  readonly listener?: SdkListener;
}

/** See `Attestation` in channel.proto. */
export interface PlatformAttestation {
  readonly format: 'apple-app-attest' | 'android-key';
  readonly data: readonly Uint8Array[];
}

/** What the text of a QR code says to whoever shows a login form. Throws MALFORMED. */
export function readActivation(text: string): { userHint: string; appId: string; edges: string[] } {
  const { userHint, appId, edgeUrls } = parseActivation(text);
  return { userHint, appId, edges: edgeUrls };
}

/**
 * Enrols this installation with an activation string. One message is sealed, and the same bytes are
 * sent again when an answer is lost, so that a code is never used up for nothing.
 * @throws MALFORMED, ACTIVATION_INVALID, ATTESTATION_INVALID, UNTRUSTED_SERVER, UNAVAILABLE, DEADLINE, CANCELLED
 */
export async function enroll(activationString: string, options: EnrollOptions): Promise<Enrolment> {
  const activation = parseActivation(activationString);
  const platform = options.platform ?? defaultPlatform;
  const edges = new Edges(activation.edgeUrls, options.connect, platform.random(), options.listener);
  try {
    const enrolment = await within(
      platform,
      options.timeoutMs ?? 30_000,
      'enrolling',
      options.signal,
      (signal) => agree(activation, options, { edges, platform, signal }),
    );
    await options.store?.save(enrolment);
    return enrolment;
  } finally {
    wipe(activation.code);
    edges.close();
  }
}

async function agree(
  activation: Activation,
  options: EnrollOptions,
  context: { edges: Edges; platform: Platform; signal: AbortSignal },
): Promise<Enrolment> {
  const { edges, platform, signal } = context;
  const { identityDigest } = activation;
  // The tier gives the real one in its answer; this one keeps repetitions on one pod.
  const routeKey = newRouteKey(platform.crypto);
  const serverKeys = new ServerKeys({ edges, platform, routeKey, identityDigest });
  const attestation = await options.attest?.(attestationChallenge(platform.crypto, activation.code));
  const body = toBinary(
    EnrollBodySchema,
    create(EnrollBodySchema, {
      code: activation.code,
      app: appContext(options.app),
      deviceName: options.deviceName,
      ...(attestation && { attestation: { ...attestation, data: [...attestation.data] } }),
    }),
  );
  try {
    for (let renewed = false; ; renewed = true) {
      const key = await serverKeys.choose(0, platform.now(), signal);
      const message = await sealEnroll(key, body);
      const sealed = {
        suite: key.suite,
        keyId: key.keyId,
        enc: message.enc,
        ciphertext: message.ciphertext,
      };
      let ciphertext: Uint8Array;
      try {
        ({ ciphertext } = await callEdges(
          edges,
          platform,
          signal,
          (edge, within) =>
            createClient(SessionService, edge.transport).enroll(
              { sealed },
              { signal: within, timeoutMs: tryTimeoutMs, headers: routeHeaders(routeKey) },
            ),
          { alsoAfterMs },
        ));
      } catch (thrown) {
        wipe(message.sharedKey, message.replyKey);
        const error = SallyportError.from(thrown);
        // Refused unread, so the code is as good as before.
        if (error.reason !== 'UNKNOWN_SERVER_KEY' || renewed) throw error;
        serverKeys.forget();
        continue;
      }
      const reply = fromBinary(EnrollReplyBodySchema, openEnrollReply(platform.crypto, message, ciphertext));
      wipe(message.replyKey);
      return {
        routeKey: reply.routeKey,
        deviceId: reply.deviceId,
        user: reply.user,
        appId: options.app.appId,
        sharedKey: message.sharedKey,
        sharedKeyVersion: 1,
        identityDigest,
        strongestSuite: key.suite,
        edges: activation.edgeUrls,
      };
    }
  } finally {
    wipe(body);
  }
}

function parseActivation(text: string): Activation {
  const bytes = decodeActivationString(text);
  let activation: Activation | undefined;
  try {
    activation = fromBinary(ActivationSchema, bytes);
  } catch {
    // The decoder's message may quote the bytes, and they hold the code.
  }
  const shaped = activation?.code.length === 16 && activation.identityDigest.length === 32;
  if (!activation || !shaped || activation.edgeUrls.length === 0) {
    throw new SallyportError('MALFORMED', {
      message: 'this activation string is damaged',
      hint: 'scan the code again, or ask the administrator for a new one',
    });
  }
  return activation;
}
