/** A proxy pod: `node services/proxy/main.ts --config FILE`. */
import { parseArgs } from 'node:util';
import { loadConfig } from '#kernel/config/load-config.ts';
import { watchConfig } from '#kernel/config/watch-config.ts';
import { runProcess } from '#kernel/lifecycle/run-process.ts';
import { createLogger } from '#kernel/log/logger.ts';
import { serveTallies } from '#kernel/telemetry/serve-tallies.ts';
import { startTelemetry } from '#kernel/telemetry/start-telemetry.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { proxyConfig } from './config.ts';
import { startProxy } from './proxy.ts';

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const config = loadConfig(proxyConfig, values.config === undefined ? {} : { file: values.config });
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
          role: 'proxy',
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
    const proxy = await life.start(
      'proxy',
      () => startProxy(config, { clock: systemClock, log, observer }),
      (running) => running.close(),
      { closeMs: drainTimeout + 5000 },
    );
    if (values.config !== undefined) {
      const watching = watchConfig(proxyConfig, {
        file: values.config,
        clock: systemClock,
        onChange: (next) => proxy.reconfigure(next),
        onBad: (err) => log.warn({ err }, 'the configuration is not valid; going on with the one before'),
      });
      life.defer('configuration', () => watching.cancel());
    }
    life.onDrain(
      'the edges to notice',
      async () => {
        proxy.leave();
        await systemClock.sleep(noticeTimeout);
      },
      { timeoutMs: noticeTimeout + 1000 },
    );
  },
  { log },
);
