import type { Lifecycle } from '#kernel/lifecycle/lifecycle.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { RpcObserver } from '#kernel/rpc/observer.ts';
import { serveTallies } from '#kernel/telemetry/serve-tallies.ts';
import { startTelemetry } from '#kernel/telemetry/start-telemetry.ts';
import type { SecurityConfig } from './config.ts';

/** Traces and metrics, if the configuration asks for them; first to start and last to end. */
export async function observe(life: Lifecycle, config: SecurityConfig, log: Logger): Promise<RpcObserver> {
  const { endpoint, sampleRatio, prometheusSocket } = config.telemetry;
  const telemetry = await life.start(
    'telemetry',
    () =>
      startTelemetry({
        pod: config.pod,
        role: 'security',
        log,
        ...(endpoint !== undefined && { endpoint }),
        ...(sampleRatio !== undefined && { sampleRatio }),
        ...(prometheusSocket !== undefined && { prometheus: { socketPath: prometheusSocket } }),
      }),
    (running) => running.shutdown(),
  );
  const { figures } = config.sockets;
  if (figures !== undefined) {
    await life.start(
      'figures',
      () => serveTallies(figures),
      (server) => server.close(),
    );
  }
  return telemetry.rpcObserver;
}
