import type { z } from 'zod';
import type { DeepReadonly } from '#kernel/config/load-config.ts';
import { watchConfig } from '#kernel/config/watch-config.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { RpcObserver } from '#kernel/rpc/observer.ts';
import { serveTallies } from '#kernel/telemetry/serve-tallies.ts';
import { startTelemetry } from '#kernel/telemetry/start-telemetry.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { Lifecycle } from './lifecycle.ts';

export interface Observed {
  readonly pod: string;
  readonly role: string;
  readonly log: Logger;
  readonly telemetry: {
    readonly endpoint?: string | undefined;
    readonly sampleRatio?: number | undefined;
    readonly prometheusSocket?: string | undefined;
  };
}

/** Traces and metrics, if the configuration asks for them; first to start and last to end. */
export async function startObserving(life: Lifecycle, { telemetry, ...pod }: Observed): Promise<RpcObserver> {
  const { endpoint, sampleRatio, prometheusSocket } = telemetry;
  const { rpcObserver } = await life.start(
    'telemetry',
    () =>
      startTelemetry({
        ...pod,
        ...(endpoint !== undefined && { endpoint }),
        ...(sampleRatio !== undefined && { sampleRatio }),
        ...(prometheusSocket !== undefined && { prometheus: { socketPath: prometheusSocket } }),
      }),
    (running) => running.shutdown(),
  );
  return rpcObserver;
}

/** Serves the counts that are always kept, if there is a socket for them. */
export async function startFigures(life: Lifecycle, socket: string | undefined): Promise<void> {
  if (socket === undefined) return;
  await life.start(
    'figures',
    () => serveTallies(socket),
    (server) => server.close(),
  );
}

/** Has a running pod take over each new configuration; one that is not valid is logged, and the old one stays. */
export function followConfig<S extends z.ZodType>(
  life: Lifecycle,
  schema: S,
  file: string | undefined,
  log: Logger,
  onChange: (config: DeepReadonly<z.output<S>>) => void,
): void {
  if (file === undefined) return;
  const watching = watchConfig(schema, {
    file,
    clock: systemClock,
    onChange,
    onBad: (err) => log.warn({ err }, 'the configuration is not valid; going on with the one before'),
  });
  life.defer('configuration', () => watching.cancel());
}
