/** A gateway pod: `node services/gateway/main.ts --config FILE`. */
import { parseArgs } from 'node:util';
import { loadConfig } from '#kernel/config/load-config.ts';
import { watchConfig } from '#kernel/config/watch-config.ts';
import { runProcess } from '#kernel/lifecycle/run-process.ts';
import { createLogger } from '#kernel/log/logger.ts';
import { startTelemetry } from '#kernel/telemetry/start-telemetry.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { gatewayConfig } from './config.ts';
import { startGateway } from './gateway.ts';

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const config = loadConfig(gatewayConfig, values.config === undefined ? {} : { file: values.config });
const log = createLogger({ pod: config.pod, level: config.log.level });
const { pod, telemetry, noticeTimeout, drainTimeout } = config;
const { endpoint, sampleRatio, prometheusSocket } = telemetry;

await runProcess(
  async (life) => {
    const { rpcObserver: observer } = await life.start(
      'telemetry',
      () =>
        startTelemetry({
          pod,
          role: 'gateway',
          log,
          ...(endpoint !== undefined && { endpoint }),
          ...(sampleRatio !== undefined && { sampleRatio }),
          ...(prometheusSocket !== undefined && { prometheus: { socketPath: prometheusSocket } }),
        }),
      (running) => running.shutdown(),
    );
    const gateway = await life.start(
      'gateway',
      () => startGateway(config, { clock: systemClock, log, observer }),
      (running) => running.close(),
      { closeMs: drainTimeout + 5000 },
    );
    if (values.config !== undefined) {
      const watching = watchConfig(gatewayConfig, {
        file: values.config,
        clock: systemClock,
        onChange: (next) => gateway.reconfigure(next),
        onBad: (err) => log.warn({ err }, 'the configuration is not valid; going on with the one before'),
      });
      life.defer('configuration', () => watching.cancel());
    }
    life.onDrain(
      'callers to go to another gateway',
      async () => {
        gateway.leave();
        await systemClock.sleep(noticeTimeout);
      },
      { timeoutMs: noticeTimeout + 1000 },
    );
  },
  { log },
);
