import { setMaxListeners } from 'node:events';
import { Gateway, GatewayLink } from '#gen/sallyport/gateway/v1/gateway_pb.js';
import type { DeepReadonly } from '#kernel/config/load-config.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { createGrpcServer } from '#kernel/rpc/grpc-server.ts';
import { HealthState } from '#kernel/rpc/health.ts';
import { implement } from '#kernel/rpc/implement.ts';
import type { RpcObserver } from '#kernel/rpc/observer.ts';
import { Watches } from '#kernel/rpc/watches.ts';
import { gauge } from '#kernel/telemetry/metrics.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { GatewayConfig } from './config.ts';
import { dialOut } from './dial-out.ts';
import { gatewayService, performer } from './gateway-service.ts';
import type { GatewayTarget } from './target-schema.ts';
import { Targets } from './targets.ts';

export interface GatewayDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly observer?: RpcObserver;
}

export interface RunningGateway {
  /** Calls under way. */
  readonly active: number;
  /** Takes over what of its configuration may change while it runs: proxies. */
  reconfigure(next: Pick<DeepReadonly<GatewayConfig>, 'proxies'>): void;
  /** New calls are refused from now on, and go to another gateway; those under way go on. */
  leave(): void;
  /** Lets what is under way end within the bound, and closes. */
  close(): Promise<void>;
}

/** Starts a gateway: serving at once, whether or not its targets are there. */
export async function startGateway(
  config: DeepReadonly<GatewayConfig>,
  deps: GatewayDeps,
): Promise<RunningGateway> {
  const { clock, log, observer } = deps;
  const { pod } = config;
  const targets = new Targets(pod, config.targets as readonly GatewayTarget[], clock);
  const health = new HealthState([Gateway.typeName]);
  let leaving = false;
  const perform = performer({ pod, targets, leaving: () => leaving });
  const service = gatewayService(pod, perform, clock);
  const server = createGrpcServer({
    services: [implement(Gateway, service)],
    log,
    pod,
    health,
    ...(observer && { observer }),
  });
  const forget = gauge(
    'sallyport.gateway.active',
    { unit: '{call}', description: 'Calls to targets.' },
    () => targets.active,
  );
  await server.listen(config.sockets.grpc);
  health.set(true);
  const { out } = config.sockets;
  const client =
    out === undefined
      ? undefined
      : createGrpcClient(GatewayLink, {
          address: `unix:${out}`,
          defaultDeadlineMs: 10_000,
          ...(observer && { observer }),
        });
  const left = new AbortController();
  const ended = new AbortController();
  // Streams that wait, and what hangs on them.
  setMaxListeners(0, left.signal, ended.signal);
  const links = new Watches(async (proxy, stop) => {
    setMaxListeners(0, stop);
    const deps = { perform, idle: config.idleLinks, clock, random: Math.random, log };
    if (client !== undefined) await dialOut({ ...deps, client }, proxy, stop, ended.signal);
  }, left.signal);
  links.setPods(config.proxies);
  const leave = (): void => {
    leaving = true;
    health.set(false);
  };
  return {
    get active() {
      return targets.active;
    },
    leave,
    reconfigure: ({ proxies }) => links.setPods(proxies),
    close: async () => {
      leave();
      // Not before: a stream that waits says to whoever takes it that this pod leaves.
      left.abort();
      const cut = clock.setTimer(config.drainTimeout, () => ended.abort());
      await Promise.all([server.close({ graceMs: config.drainTimeout }), links.ended()]);
      cut.cancel();
      client?.close();
      forget();
      await targets.close();
    },
  };
}
