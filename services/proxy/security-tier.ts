import { wipe } from '#core/channel/bytes.ts';
import { SallyportError } from '#core/errors/error.ts';
import { parseSessionId } from '#core/ids/session-id.ts';
import type { RequestFacts } from '#core/policy/facts.ts';
import {
  type AuthorizeResponse,
  type Grant,
  ProxyAuthorize,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import type { AttachRequest, AttachResponse } from '#gen/sallyport/relay/v1/relay_pb.js';
import type { Logger } from '#kernel/log/logger.ts';
import { type CallOptions, createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import type { RpcObserver } from '#kernel/rpc/observer.ts';
import { podHeader } from '#kernel/rpc/pod-header.ts';
import { type Clock, elapsed, type Instant, instant } from '#kernel/time/clock.ts';
import { Attachment } from './attachment.ts';
import { AuthorizeStreams } from './authorize-streams.ts';
import { Lease } from './lease.ts';
import { counts } from './metrics.ts';

/** What Envoy hashes to find the owner. */
const routeHeader = 'x-sallyport-route';
/** Milliseconds for an answer on a stream, which a pod has in memory; after that the owner is asked by route. */
const streamedMs = 1000;
/** Told with a question. */
const maxGateways = 64;

export interface SecurityTierOptions {
  /** The sidecar's egress. */
  readonly socketPath: string;
  /** Name of this proxy. */
  readonly pod: string;
  /** Security pods. */
  readonly securityPods: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly observer?: RpcObserver;
  /** Milliseconds that a decision or a lease may take. */
  readonly timeoutMs: number;
  /** Gateways that were found dead lately. */
  readonly failedGateways: () => readonly string[];
}

/** What this proxy asks of the security tier, through its sidecar. */
export interface SecurityTier {
  /** Passes a device's attach on. Throws what the tier says: SESSION_…, ATTACH_PROOF_INVALID, STALE. */
  attach(
    request: AttachRequest,
    call: CallOptions,
  ): Promise<{ attachment: Attachment; response: Omit<AttachResponse, '$typeName' | '$unknown'> }>;
  /**
   * Asks for a decision, and with it for a fresh lease: on its stream the pod that gave the lease before,
   * else by route. Ends with the attachment.
   */
  authorize(attachment: Attachment, request: RequestFacts): Promise<{ grant: Grant; lease: Lease }>;
  /** Opens a Watch to one pod. */
  watch(pod: string, signal: AbortSignal): ReturnType<ReturnType<typeof authorizeClient>['watch']>;
  /** These pods are asked on streams from now on. */
  setPods(pods: readonly string[]): void;
  close(): Promise<void>;
}

const authorizeClient = (address: string, timeoutMs: number, observer: RpcObserver | undefined) =>
  createGrpcClient(ProxyAuthorize, {
    address,
    defaultDeadlineMs: timeoutMs,
    ...(observer && { observer }),
  });

export function securityTier(options: SecurityTierOptions): SecurityTier {
  const { clock, log, pod, securityPods, timeoutMs, observer } = options;
  const address = `unix:${options.socketPath}`;
  const keyStore = createGrpcClient(KeyStore, {
    address,
    defaultDeadlineMs: timeoutMs,
    ...(observer && { observer }),
  });
  const authorize = authorizeClient(address, timeoutMs, observer);
  const streams = new AuthorizeStreams({
    open: (to) => authorize.authorizeStream({ headers: { [podHeader]: to } }),
    pods: securityPods,
    clock,
    log,
    answerMs: Math.min(streamedMs, timeoutMs / 2),
  });
  const answered = (answer: AuthorizeResponse, asked: Instant): { grant: Grant; lease: Lease } => {
    const { grant } = answer;
    if (grant === undefined) {
      throw new SallyportError('INTERNAL', { message: 'an answer without a grant' });
    }
    return { grant, lease: new Lease(answer.lease, asked, clock) };
  };
  return {
    attach: async (request, call) => {
      const { routeKey, handle } = parseSessionId(request.sessionId);
      const { sessionId, deviceNonce, proof } = request;
      const asked = instant(clock);
      const leased = await keyStore.leaseSessionKey(
        { sessionId, deviceNonce, proof, proxy: pod },
        { signal: call.signal, deadlineMs: call.deadlineMs, headers: { [routeHeader]: routeKey } },
      );
      const { epoch, serverNonce, confirmation } = leased;
      const keys = { deviceToProxy: leased.deviceToProxyKey, proxyToDevice: leased.proxyToDeviceKey };
      const lease = new Lease(leased.lease, asked, clock);
      const attachment = new Attachment({ sessionId, routeKey, handle, epoch, keys, lease }, clock);
      // The attachment has copies.
      wipe(keys.deviceToProxy);
      wipe(keys.proxyToDevice);
      return {
        attachment,
        response: { epoch, serverNonce, proxy: pod, confirmation, batches: true },
      };
    },
    authorize: async (attachment, { method, authority, path, clientAddress = '' }) => {
      const begun = instant(clock);
      const question = {
        subject: { case: 'sessionId' as const, value: attachment.sessionId },
        request: { method, authority, path, clientAddress },
        gateways: [...attachment.gateways.values()].slice(-maxGateways),
        failedGateways: options.failedGateways().slice(-maxGateways),
      };
      const streamed = await streams.ask(attachment.lease.pod, question, attachment.ended);
      counts.asked.add(1, { way: streamed ? 'streamed' : 'unary' });
      if (streamed) return answered(streamed, begun);
      const asked = instant(clock);
      const answer = await authorize.authorize(question, {
        signal: attachment.ended,
        // Both ways together take no longer than one may.
        timeoutMs: Math.max(timeoutMs / 4, timeoutMs - elapsed(clock, begun)),
        headers: { [routeHeader]: attachment.routeKey },
      });
      return answered(answer, asked);
    },
    watch: (to, signal) => authorize.watch({ signal, headers: { [podHeader]: to } }),
    setPods: (pods) => streams.setPods(pods),
    close: async () => {
      await streams.close();
      keyStore.close();
      authorize.close();
    },
  };
}
