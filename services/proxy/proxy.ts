import { SallyportError } from '#core/errors/error.ts';
import { AppDelivery } from '#gen/sallyport/catalog/v1/catalog_pb.js';
import { GatewayLink } from '#gen/sallyport/gateway/v1/gateway_pb.js';
import { Relay } from '#gen/sallyport/relay/v1/relay_pb.js';
import type { DeepReadonly } from '#kernel/config/load-config.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { createGrpcServer } from '#kernel/rpc/grpc-server.ts';
import { HealthState } from '#kernel/rpc/health.ts';
import { implement } from '#kernel/rpc/implement.ts';
import type { RpcObserver } from '#kernel/rpc/observer.ts';
import { Watches } from '#kernel/rpc/watches.ts';
import { gauge } from '#kernel/telemetry/metrics.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { leaseLost } from './attachment.ts';
import { Attachments } from './attachments.ts';
import { Authorizer } from './authorizer.ts';
import { Backends } from './backends.ts';
import type { ProxyConfig } from './config.ts';
import { delivery } from './delivery/delivery-service.ts';
import { Departures } from './departures.ts';
import { GatewayLinks } from './gateway-links.ts';
import { Gateways } from './gateways.ts';
import { Openings } from './openings.ts';
import { PolicyHolder } from './policy-holder.ts';
import { type RelayServiceDeps, relayService } from './relay-service.ts';
import { Revocations } from './revocations.ts';
import { securityTier } from './security-tier.ts';
import { siteGuard } from './sites.ts';
import { relayStream } from './stream.ts';
import { watchPod } from './watch.ts';

/** How often leases in use are looked at. */
const leaseTickMs = 500;
const sweepMs = 30_000;

export interface ProxyDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly observer?: RpcObserver;
}

export interface Proxy {
  readonly health: HealthState;
  /** Attachments held. */
  readonly attachments: number;
  /** Requests at backends. */
  readonly active: number;
  /** Takes over what of its configuration may change while it runs: security pods, who leaves, gateways. */
  reconfigure(
    next: Pick<DeepReadonly<ProxyConfig>, 'securityPods' | 'leaving' | 'dialingGateways' | 'drainedGateways'>,
  ): void;
  /** NOT_SERVING from now on; calls are still taken, until whoever routes them has noticed. */
  leave(): void;
  /** Takes nothing new, lets what is under way end within the bound, and closes. */
  close(): Promise<void>;
}

/** Starts a proxy: serving once it has a policy to decide by. */
export async function startProxy(config: DeepReadonly<ProxyConfig>, deps: ProxyDeps): Promise<Proxy> {
  const { clock, log, observer } = deps;
  const { limits, sockets, pod } = config;
  const links = new GatewayLinks(config.dialingGateways, clock);
  const gateways = new Gateways({
    links,
    socketPath: sockets.out,
    connections: config.backends.connections,
    clock,
    ...(observer && { observer }),
  });
  gateways.setDrained(config.drainedGateways);
  const tier = securityTier({
    socketPath: sockets.out,
    pod,
    securityPods: config.securityPods,
    clock,
    log,
    timeoutMs: config.tierTimeout,
    failedGateways: () => gateways.failed,
    ...(observer && { observer }),
  });
  const policies = new PolicyHolder(clock, log);
  const attachments = new Attachments({
    maxAttachments: limits.maxAttachments,
    maxPerSession: limits.maxPerSession,
    idleMs: limits.idle,
  });
  const revocations = new Revocations(attachments);
  const authorizer = new Authorizer({
    tier,
    policies,
    revocations,
    clock,
    failedGateways: () => gateways.failed,
    assertHere: siteGuard(config.site, config.sites),
    onEnded: (attachment, error) => attachments.remove(attachment, error),
  });
  const backends = new Backends(sockets.backends, {
    connections: config.backends.connections,
    headersTimeoutMs: config.backends.headersTimeout,
    bodyTimeoutMs: config.backends.bodyTimeout,
  });
  let leaving = false;
  const departures = new Departures(pod, config.leaving, clock);
  const draining = new AbortController();
  const stopped = new AbortController();
  const health = new HealthState([Relay.typeName]);
  const service: RelayServiceDeps = {
    site: config.sites.length > 0 ? config.site : undefined,
    authorizer,
    backends: {
      request: (request, sink) =>
        request.gateway === undefined
          ? backends.request(request, sink)
          : gateways.request(request, request.gateway, sink),
    },
    log,
    clock,
    tier,
    attachments,
    revocations,
    openings: new Openings(clock),
    maxBodyBytes: limits.maxBody,
    stallMs: config.backends.stallTimeout,
    draining: draining.signal,
    departures,
  };
  const apps = delivery({
    socketPath: sockets.out,
    timeoutMs: config.tierTimeout,
    cacheBytes: limits.appCache,
    draining: draining.signal,
    ...(observer && { observer }),
  });
  const relay = implement(Relay, relayService(service), {
    raw: { stream: (requests, call) => relayStream(service, requests, call) },
  });
  const server = createGrpcServer({
    services: [relay, implement(AppDelivery, apps.handlers), implement(GatewayLink, links.service)],
    log,
    pod,
    health,
    ...(observer && { observer }),
  });
  const watches = new Watches(
    (each, stop) => watchPod({ tier, revocations, policies, clock, log, proxy: pod }, each, stop),
    stopped.signal,
  );
  watches.setPods(config.securityPods);
  const timers = [
    clock.setRepeating(leaseTickMs, () => {
      renewInUse(attachments, authorizer);
      // The first policy makes this pod ready; losing the tier does not make it unready, leases decide that.
      if (!leaving && policies.version > 0 && !health.isServing()) health.set(true);
    }),
    clock.setRepeating(sweepMs, () => attachments.sweep()),
  ];
  const figures = [
    gauge(
      'sallyport.attachment.held',
      { unit: '{attachment}', description: 'Attachments held.' },
      () => attachments.size,
    ),
    gauge(
      'sallyport.relay.active',
      { unit: '{request}', description: 'Requests at backends.' },
      () => backends.active + gateways.active,
    ),
    gauge(
      'sallyport.apps.cached',
      { unit: 'By', description: 'Packages of the app catalogue in memory.' },
      () => apps.cachedBytes,
    ),
  ];
  const end = async (): Promise<void> => {
    stopped.abort();
    for (const timer of timers) timer.cancel();
    for (const forget of figures) forget();
    attachments.removeWhere(() => true, new SallyportError('ATTACH_REQUIRED'));
    await watches.ended();
    await backends.close();
    gateways.close();
    await tier.close();
    apps.close();
  };
  try {
    await server.listen(sockets.grpc);
  } catch (error) {
    await end();
    throw error;
  }
  return {
    health,
    get attachments() {
      return attachments.size;
    },
    get active() {
      return backends.active + gateways.active;
    },
    reconfigure: (next) => {
      tier.setPods(next.securityPods);
      watches.setPods(next.securityPods);
      departures.set(next.leaving);
      links.setGateways(next.dialingGateways);
      gateways.setDrained(next.drainedGateways);
    },
    leave: () => {
      leaving = true;
      health.set(false);
    },
    close: async () => {
      leaving = true;
      health.set(false);
      draining.abort(
        new SallyportError('ATTACH_REQUIRED', { message: 'this proxy is draining; attach again elsewhere' }),
      );
      links.close();
      await server.close({ graceMs: config.drainTimeout });
      await end();
    },
  };
}

/** Attachments on which something goes on keep their lease; what goes on is cut when it has run out. */
function renewInUse(attachments: Attachments, authorizer: Authorizer): void {
  for (const attachment of attachments) {
    if (!attachment.inUse || attachment.lastRequest === undefined) continue;
    if (!attachment.lease.live && !attachment.asking.has('lease')) {
      attachment.loseLease(leaseLost());
    } else if (attachment.lease.renewalDue) authorizer.renewAhead(attachment);
  }
}
