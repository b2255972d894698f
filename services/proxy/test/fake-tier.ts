/** A security tier of one process: real attachments and Watches over a Unix socket, with knobs. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { acceptAttach } from '#core/channel/attach.ts';
import { SallyportError } from '#core/errors/error.ts';
import { encodeEpoch } from '#core/ids/epoch.ts';
import { newRouteKey } from '#core/ids/ids.ts';
import { mintSessionId } from '#core/ids/session-id.ts';
import {
  type AuthorizeAnswerSchema,
  type AuthorizeRequest,
  type AuthorizeStreamResponseSchema,
  ProxyAuthorize,
  RevocationKind,
  type WatchRequest,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { createGrpcServer } from '#kernel/rpc/grpc-server.ts';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import { implement } from '#kernel/rpc/implement.ts';
import { SendQueue } from '../send-queue.ts';

export interface FakeSession {
  readonly id: string;
  readonly key: Uint8Array;
  readonly routeKey: string;
  readonly handle: string;
  readonly user: string;
}

type Told = ReturnType<Handlers<typeof ProxyAuthorize>['watch']> extends AsyncIterable<infer R> ? R : never;

type Answered = MessageInitShape<typeof AuthorizeStreamResponseSchema>;
type Answer = MessageInitShape<typeof AuthorizeAnswerSchema>;

const names = { [RevocationKind.SESSION]: 'handle', [RevocationKind.SHARED_KEY]: 'routeKey' } as const;

export interface FakeTier {
  /** Milliseconds. */
  leaseMs: number;
  /** Thrown by every Authorize; the reason of every answer on a stream. */
  fault: SallyportError | undefined;
  /** Deny whatever is asked. */
  deny: boolean;
  /** Its AuthorizeStream holds nothing. */
  moved: boolean;
  /** What was asked by Authorize. */
  readonly asked: AuthorizeRequest[];
  /** What was asked on streams. */
  readonly streamed: AuthorizeRequest[];
  /** Ends the streams that are open. */
  breakStreams(): void;
  /** What was acknowledged, in order. */
  readonly acknowledged: number[];
  session(user: string): FakeSession;
  /** Ends the session by the feed, for all that watch. Returns the position. */
  revoke(session: FakeSession, kind?: keyof typeof names): number;
  close(): Promise<void>;
}

export async function startFakeTier(
  socket: string,
  options: { pod: string; policy: unknown; log: Logger },
): Promise<FakeTier> {
  const { pod, policy, log } = options;
  const sessions = new Map<string, FakeSession>();
  const over = new Set<string>();
  const watchers = new Set<SendQueue<Told>>();
  const streams = new Set<SendQueue<Answered>>();
  let position = 1;
  let epochs = 0n;
  const lease = ({ user, id }: FakeSession) => {
    if (over.has(id)) throw new SallyportError('SESSION_REVOKED');
    const facts = { user, groups: ['staff'], deviceId: 'd', expiresAtMs: BigInt(Date.now() + 3_600_000) };
    return { durationMs: tier.leaseMs, facts, policyVersion: 1n, pod, feedPosition: BigInt(position) };
  };
  const find = (id: string): FakeSession => {
    const session = sessions.get(id);
    if (session === undefined) throw new SallyportError('SESSION_UNKNOWN');
    return session;
  };
  const decide = (request: AuthorizeRequest) => {
    if (tier.fault) throw tier.fault;
    const session = find(request.subject.value ?? '');
    const grant = tier.deny
      ? { allow: false, reason: 'NO_RULE', explanation: 'no', policyVersion: 1n }
      : {
          allow: true,
          reason: 'ALLOWED',
          resource: 'intranet',
          backend: 'intranet',
          assertion: `jwt of ${session.user}`,
          assertionExpiresAtMs: BigInt(Date.now() + 300_000),
          policyVersion: 1n,
        };
    return { grant, lease: lease(session) };
  };
  const onStream = (request: AuthorizeRequest): NonNullable<Answer['result']> => {
    try {
      if (tier.moved) throw new SallyportError('NOT_HELD');
      return { case: 'response', value: decide(request) };
    } catch (error) {
      return { case: 'errorReason', value: SallyportError.from(error).reason };
    }
  };
  const tier: FakeTier = {
    leaseMs: 10_000,
    fault: undefined,
    deny: false,
    moved: false,
    asked: [],
    streamed: [],
    acknowledged: [],
    session: (user) => {
      const routeKey = newRouteKey(channelCrypto);
      const id = mintSessionId(channelCrypto, { routeKey, opener: pod, macKey: randomBytes(32) });
      const handle = id.slice(0, id.lastIndexOf('.'));
      const session = { id, key: randomBytes(32), routeKey, handle, user };
      sessions.set(id, session);
      return session;
    },
    revoke: (session, kind = RevocationKind.SESSION) => {
      over.add(session.id);
      position += 1;
      const value = { position: BigInt(position), kind, subject: session[names[kind]] };
      for (const each of watchers) each.push({ kind: { case: 'revocation', value } });
      return position;
    },
    breakStreams: () => {
      for (const each of streams) each.end(new SallyportError('UNAVAILABLE'));
    },
    close: async () => {
      for (const each of [...watchers, ...streams]) each.end();
      await server.close({ graceMs: 0 });
    },
  };
  const server = createGrpcServer({
    pod,
    log,
    services: [
      implement(KeyStore, {
        leaseSessionKey: async ({ sessionId, deviceNonce, proof, proxy }) => {
          const session = find(sessionId);
          const epoch = encodeEpoch({ era: 1, incarnation: 1, counter: ++epochs });
          const { serverNonce, keys, confirmation } = acceptAttach(
            channelCrypto,
            { sessionId, sessionKey: session.key },
            { deviceNonce, proof, epoch, proxy },
          );
          const { deviceToProxy: deviceToProxyKey, proxyToDevice: proxyToDeviceKey } = keys;
          return {
            epoch,
            serverNonce,
            confirmation,
            deviceToProxyKey,
            proxyToDeviceKey,
            lease: lease(session),
          };
        },
      }),
      implement(ProxyAuthorize, {
        authorize: async (request) => {
          tier.asked.push(request);
          return decide(request);
        },
        authorizeStream: async function* (requests, call) {
          const outbox = new SendQueue<Answered>();
          streams.add(outbox);
          call.signal.addEventListener('abort', () => outbox.end(call.signal.reason));
          const answerAll = async (): Promise<void> => {
            for await (const { questions } of requests) {
              const answers = questions.map(({ id, request }): Answer => {
                assert.ok(request);
                tier.streamed.push(request);
                return { id, result: onStream(request) };
              });
              void outbox.push({ pod, answers });
            }
          };
          answerAll().then(
            () => outbox.end(),
            (error: unknown) => outbox.end(error),
          );
          try {
            yield* outbox;
          } finally {
            streams.delete(outbox);
          }
        },
        watch: async function* (requests, call) {
          const outbox = new SendQueue<Told>();
          void outbox.push({ kind: { case: 'hello', value: { pod, incarnation: 1, era: 1 } } });
          const documentJson = JSON.stringify(policy);
          void outbox.push({ kind: { case: 'policy', value: { version: 1n, documentJson } } });
          void outbox.push({ kind: { case: 'heartbeat', value: { position: BigInt(position) } } });
          watchers.add(outbox);
          call.signal.addEventListener('abort', () => outbox.end(call.signal.reason));
          listen(requests, tier.acknowledged).then(
            () => outbox.end(),
            (error: unknown) => outbox.end(error),
          );
          try {
            yield* outbox;
          } finally {
            watchers.delete(outbox);
          }
        },
      }),
    ],
  });
  await server.listen(socket);
  return tier;
}

async function listen(requests: AsyncIterable<WatchRequest>, acknowledged: number[]): Promise<void> {
  for await (const { kind } of requests) {
    if (kind.case === 'acknowledgedPosition') acknowledged.push(Number(kind.value));
  }
}
