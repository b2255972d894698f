/** A worker pod, which runs tasks: `node services/tasks/main.ts --config FILE`. */
import { parseArgs } from 'node:util';
import { loadConfig } from '#kernel/config/load-config.ts';
import { watchConfig } from '#kernel/config/watch-config.ts';
import { runProcess } from '#kernel/lifecycle/run-process.ts';
import { createLogger } from '#kernel/log/logger.ts';
import { serveTallies } from '#kernel/telemetry/serve-tallies.ts';
import { startTelemetry } from '#kernel/telemetry/start-telemetry.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { workerConfig } from './config.ts';
import { startWorkerPod } from './worker-pod.ts';

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const { config: file } = values;
const config = loadConfig(workerConfig, file === undefined ? {} : { file });
const log = createLogger({ pod: config.pod, level: config.log.level });
const { endpoint, sampleRatio, prometheusSocket } = config.telemetry;

await runProcess(
  async (life) => {
    const { rpcObserver } = await life.start(
      'telemetry',
      () =>
        startTelemetry({
          pod: config.pod,
          role: 'worker',
          log,
          ...(endpoint !== undefined && { endpoint }),
          ...(sampleRatio !== undefined && { sampleRatio }),
          ...(prometheusSocket !== undefined && { prometheus: { socketPath: prometheusSocket } }),
        }),
      (running) => running.shutdown(),
    );
    const worker = await startWorkerPod(life, config, log, rpcObserver);
    if (file !== undefined) {
      const watching = watchConfig(workerConfig, {
        file,
        clock: systemClock,
        onChange: (next) => worker.reconfigure(next),
        onBad: (err) => log.warn({ err }, 'the configuration is not valid; going on with the one before'),
      });
      life.defer('configuration', () => watching.cancel());
    }
    // Last: whoever finds it answering knows that tasks are claimed.
    const { figures } = config.sockets;
    if (figures === undefined) return;
    await life.start(
      'figures',
      () => serveTallies(figures),
      (server) => server.close(),
    );
  },
  { log },
);
