/** A worker pod, which runs tasks: `node services/tasks/main.ts --config FILE`. */
import { parseArgs } from 'node:util';
import { loadConfig } from '#kernel/config/load-config.ts';
import { followConfig, startFigures, startObserving } from '#kernel/lifecycle/pod-process.ts';
import { runProcess } from '#kernel/lifecycle/run-process.ts';
import { createLogger } from '#kernel/log/logger.ts';
import { workerConfig } from './config.ts';
import { startWorkerPod } from './worker-pod.ts';

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const { config: file } = values;
const config = loadConfig(workerConfig, file === undefined ? {} : { file });
const log = createLogger({ pod: config.pod, level: config.log.level });
const { pod, telemetry } = config;

await runProcess(
  async (life) => {
    const observer = await startObserving(life, { pod, role: 'worker', log, telemetry });
    const worker = await startWorkerPod(life, config, log, observer);
    followConfig(life, workerConfig, file, log, (next) => worker.reconfigure(next));
    // Last: whoever finds it answering knows that tasks are claimed.
    await startFigures(life, config.sockets.figures);
  },
  { log },
);
