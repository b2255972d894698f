import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { encodeActivationString } from '../../core/channel/activation-string.ts';
import { acceptAttach, type TrafficKeys } from '../../core/channel/attach.ts';
import { suite1 } from '../../core/channel/constants.ts';
import { openEnroll, sealEnrollReply } from '../../core/channel/enroll.ts';
import { generateHpkeKeyPair } from '../../core/channel/hpke.ts';
import { type HpkeRecipient, importRecipient } from '../../core/channel/hpke-open.ts';
import { nobleCrypto as crypto } from '../../core/channel/noble-crypto.ts';
import { agreeSession, openOpenSession, sealOpenReply } from '../../core/channel/open-session.ts';
import { rotatedSharedKey } from '../../core/channel/rotate-shared-key.ts';
import { identityDigest, signKeyList } from '../../core/channel/server-keys.ts';
import {
  openSessionRequest,
  type SessionMessageKind,
  sealSessionReply,
} from '../../core/channel/session-message.ts';
import { SallyportError } from '../../core/errors/error.ts';
import { encodeEpoch } from '../../core/ids/epoch.ts';
import { newDeviceId, newRouteKey } from '../../core/ids/ids.ts';
import { mintSessionId } from '../../core/ids/session-id.ts';
import {
  ActivationSchema,
  EnrollBodySchema,
  EnrollReplyBodySchema,
  OpenSessionBodySchema,
  OpenSessionReplyBodySchema,
  ServerKeyListSchema,
  SessionMessageReplyBodySchema,
} from '../../gen/sallyport/channel/v1/channel_pb.js';
import type { KeyStore } from '../../gen/sallyport/keystore/v1/key_store_pb.js';
import type { SessionSealed, SessionService } from '../../gen/sallyport/session/v1/session_pb.js';

interface FakeEnrolment {
  user: string;
  sharedKeys: Uint8Array[];
  /** Number of the newest of `sharedKeys`. */
  version: number;
}

interface FakeSession {
  sessionKey: Uint8Array;
  ended: SallyportError | undefined;
}

const password = 'correct horse';

/** A security tier in memory that speaks the real protocol; `lease` is what its proxies ask. */
export class FakeTier {
  readonly sessions = new Map<string, FakeSession>();
  readonly enrolments = new Map<string, FakeEnrolment>();
  /** Counted per method, as they arrived. */
  readonly calls = new Map<string, number>();
  /** Asks the next device that opens a session to agree a new shared key. */
  rotationPending = false;
  proxyUrls: string[] = [];
  /** The tier's clock less the device's. */
  clockOffsetMs = 0;
  readonly #identity = crypto.randomBytes(32);
  readonly #macKey = crypto.randomBytes(32);
  readonly #answers = new Map<string, { ciphertext: Uint8Array; serverShare: Uint8Array }>();
  readonly #codes = new Set<string>();
  #keyId = '';
  #recipient: HpkeRecipient | undefined;
  #publicKey = new Uint8Array();
  #epochs = 0n;

  static async start(): Promise<FakeTier> {
    const tier = new FakeTier();
    await tier.rotateServerKey();
    return tier;
  }

  /** From now on the old server key is unknown. */
  async rotateServerKey(): Promise<void> {
    const pair = await generateHpkeKeyPair(suite1);
    this.#recipient = importRecipient(crypto, suite1, pair);
    this.#publicKey = pair.publicKey.slice();
    this.#keyId = `key-${crypto.randomBytes(2).join('-')}`;
  }

  activation(edgeUrls: string[]): string {
    const code = crypto.randomBytes(16);
    this.#codes.add(code.join());
    const digest = identityDigest(crypto, crypto.ed25519PublicKey(this.#identity));
    return encodeActivationString(
      toBinary(
        ActivationSchema,
        create(ActivationSchema, { code, identityDigest: digest, edgeUrls, userHint: 'anna', appId: 'app' }),
      ),
    );
  }

  readonly keyStore: Partial<ServiceImpl<typeof KeyStore>> = {
    getServerKeys: () => {
      this.#count('getServerKeys');
      const now = this.#now();
      const list = create(ServerKeyListSchema, {
        issuedAtMs: BigInt(now),
        expiresAtMs: BigInt(now + 3_600_000),
        suites: [suite1],
        keys: [
          {
            keyId: this.#keyId,
            suite: suite1,
            publicKey: this.#publicKey,
            notBeforeMs: 0n,
            notAfterMs: BigInt(now + 3_600_000),
          },
        ],
      });
      const signed = signKeyList(crypto, this.#identity, toBinary(ServerKeyListSchema, list));
      return { keyList: signed.list, signature: signed.signature, identityKey: signed.identityKey };
    },
  };

  readonly sessionService: Partial<ServiceImpl<typeof SessionService>> = {
    enroll: async ({ sealed }) => {
      this.#count('enroll');
      const { recipient, message } = this.#unwrap(sealed);
      const stored = this.#answers.get(message.enc.join());
      if (stored) return { ciphertext: stored.ciphertext };
      const opened = await openEnroll(recipient, message);
      const body = fromBinary(EnrollBodySchema, opened.plaintext);
      if (!this.#codes.delete(body.code.join())) throw new SallyportError('ACTIVATION_INVALID');
      const routeKey = newRouteKey(crypto);
      this.enrolments.set(routeKey, { user: 'anna', sharedKeys: [opened.sharedKey], version: 1 });
      const reply = create(EnrollReplyBodySchema, {
        routeKey,
        deviceId: newDeviceId(crypto),
        user: 'anna',
        serverTimeMs: BigInt(this.#now()),
      });
      const ciphertext = sealEnrollReply(
        crypto,
        { replyKey: opened.replyKey, enc: message.enc },
        toBinary(EnrollReplyBodySchema, reply),
      );
      this.#answers.set(message.enc.join(), { ciphertext, serverShare: new Uint8Array() });
      return { ciphertext };
    },

    openSession: async ({ routeKey, sealed }, { requestHeader }) => {
      this.#count('openSession');
      if (requestHeader.get('x-sallyport-route') !== routeKey) throw new SallyportError('ROUTE_MISMATCH');
      const { recipient, message } = this.#unwrap(sealed);
      const stored = this.#answers.get(message.enc.join());
      if (stored) return stored;
      const enrolment = this.enrolments.get(routeKey);
      if (!enrolment) throw new SallyportError('ENROLMENT_REVOKED');
      const [received, sharedKey] = await openByAny(recipient, enrolment.sharedKeys, {
        ...message,
        routeKey,
      });
      const body = fromBinary(OpenSessionBodySchema, received.plaintext);
      if (Math.abs(Number(body.timeMs) - this.#now()) > 300_000) {
        throw new SallyportError('CLOCK_SKEW', { metadata: { server_time_ms: String(this.#now()) } });
      }
      if (body.password !== password) throw new SallyportError('CREDENTIALS_INVALID');
      if (sharedKey === enrolment.sharedKeys.at(-1))
        enrolment.sharedKeys.splice(0, enrolment.sharedKeys.length - 1);
      const agreed = agreeSession(crypto, received, body.deviceShare);
      const sessionId = mintSessionId(crypto, { routeKey, opener: 'sec-0', macKey: this.#macKey });
      this.sessions.set(sessionId, { sessionKey: agreed.sessionKey, ended: undefined });
      if (this.rotationPending) {
        this.rotationPending = false;
        enrolment.sharedKeys.push(rotatedSharedKey(crypto, agreed.sessionKey));
        enrolment.version++;
      }
      const reply = create(OpenSessionReplyBodySchema, {
        sessionId,
        expiresAtMs: BigInt(this.#now() + 3_600_000),
        proxyUrls: this.proxyUrls,
        serverTimeMs: BigInt(this.#now()),
        sharedKeyVersion: enrolment.version,
      });
      const ciphertext = sealOpenReply(crypto, agreed, toBinary(OpenSessionReplyBodySchema, reply));
      const answer = { serverShare: agreed.serverShare, ciphertext };
      this.#answers.set(message.enc.join(), answer);
      return answer;
    },

    renewSession: ({ sealed }) => this.#message('renew', sealed),
    closeSession: ({ sealed }) => this.#message('close', sealed),
  };

  /** What a proxy gets for an attach. */
  lease(
    attach: { sessionId: string; deviceNonce: Uint8Array; proof: Uint8Array },
    proxy: string,
  ): { epoch: Uint8Array; serverNonce: Uint8Array; keys: TrafficKeys; confirmation: Uint8Array } {
    const { sessionKey } = this.#live(attach.sessionId);
    const epoch = encodeEpoch({ era: 1, incarnation: 1, counter: ++this.#epochs });
    const session = { sessionId: attach.sessionId, sessionKey };
    return { epoch, ...acceptAttach(crypto, session, { ...attach, epoch, proxy }) };
  }

  #message(kind: SessionMessageKind, sealed: SessionSealed | undefined): { ciphertext: Uint8Array } {
    this.#count(kind);
    if (!sealed) throw new SallyportError('MALFORMED');
    const session = this.#live(sealed.sessionId);
    const context = { kind, sessionId: sealed.sessionId, sessionKey: session.sessionKey };
    openSessionRequest(crypto, context, sealed);
    if (kind === 'close') session.ended = new SallyportError('SESSION_REVOKED');
    const expiresAtMs = BigInt(this.#now() + 7_200_000);
    const reply = create(SessionMessageReplyBodySchema, { expiresAtMs, serverTimeMs: BigInt(this.#now()) });
    const plaintext = toBinary(SessionMessageReplyBodySchema, reply);
    return { ciphertext: sealSessionReply(crypto, context, sealed.nonce, plaintext) };
  }

  #live(sessionId: string): FakeSession {
    const session = this.sessions.get(sessionId);
    if (!session) throw new SallyportError('SESSION_UNKNOWN');
    if (session.ended) throw session.ended;
    return session;
  }

  #unwrap(sealed: { suite: number; keyId: string; enc: Uint8Array; ciphertext: Uint8Array } | undefined): {
    recipient: HpkeRecipient;
    message: { suite: number; keyId: string; enc: Uint8Array; ciphertext: Uint8Array };
  } {
    if (!sealed || !this.#recipient) throw new SallyportError('MALFORMED');
    if (sealed.keyId !== this.#keyId) throw new SallyportError('UNKNOWN_SERVER_KEY');
    return { recipient: this.#recipient, message: sealed };
  }

  #now(): number {
    return Date.now() + this.clockOffsetMs;
  }

  #count(method: string): void {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
  }
}

type Message = Parameters<typeof openOpenSession>[2];

async function openByAny(
  recipient: HpkeRecipient,
  keys: readonly Uint8Array[],
  message: Message,
): Promise<[Awaited<ReturnType<typeof openOpenSession>>, Uint8Array]> {
  for (const key of keys) {
    try {
      return [await openOpenSession(recipient, key, message), key];
    } catch (error) {
      if (key === keys.at(-1)) throw error;
    }
  }
  throw new SallyportError('UNSEALABLE');
}
