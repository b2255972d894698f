/** A security tier of one process: real attachments and Watches over a Unix socket, with knobs. */
import { randomBytes } from 'node:crypto';
import { acceptAttach } from '#core/channel/attach.ts';
import { SallyportError } from '#core/errors/error.ts';
import { encodeEpoch } from '#core/ids/epoch.ts';
import { newRouteKey } from '#core/ids/ids.ts';
import { mintSessionId } from '#core/ids/session-id.ts';
import {
  type AuthorizeRequest,
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

const names = { [RevocationKind.SESSION]: 'handle', [RevocationKind.SHARED_KEY]: 'routeKey' } as const;

export interface FakeTier {
  /** Milliseconds. */
  leaseMs: number;
  /** Thrown by every Authorize. */
  fault: SallyportError | undefined;
  /** Deny whatever is asked. */
  deny: boolean;
  /** What was asked by Authorize. */
  readonly asked: AuthorizeRequest[];
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
  const tier: FakeTier = {
    leaseMs: 10_000,
    fault: undefined,
    deny: false,
    asked: [],
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
    close: async () => {
      for (const each of watchers) each.end();
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
