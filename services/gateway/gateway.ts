import { Gateway } from '#gen/sallyport/gateway/v1/gateway_pb.js';
import type { DeepReadonly } from '#kernel/config/load-config.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { createGrpcServer } from '#kernel/rpc/grpc-server.ts';
import { HealthState } from '#kernel/rpc/health.ts';
import { implement } from '#kernel/rpc/implement.ts';
import type { RpcObserver } from '#kernel/rpc/observer.ts';
import { gauge } from '#kernel/telemetry/metrics.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { GatewayConfig } from './config.ts';
import { gatewayService } from './gateway-service.ts';
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
  const service = gatewayService({ pod, targets, leaving: () => leaving });
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
  const leave = (): void => {
    leaving = true;
    health.set(false);
  };
  return {
    get active() {
      return targets.active;
    },
    leave,
    close: async () => {
      leave();
      await server.close({ graceMs: config.drainTimeout });
      forget();
      await targets.close();
    },
  };
}
