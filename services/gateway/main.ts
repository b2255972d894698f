/** A gateway pod: `node services/gateway/main.ts --config FILE`. */
import { parseArgs } from 'node:util';
import { loadConfig } from '#kernel/config/load-config.ts';
import { followConfig, startObserving } from '#kernel/lifecycle/pod-process.ts';
import { runProcess } from '#kernel/lifecycle/run-process.ts';
import { createLogger } from '#kernel/log/logger.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { gatewayConfig } from './config.ts';
import { startGateway } from './gateway.ts';

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const config = loadConfig(gatewayConfig, values.config === undefined ? {} : { file: values.config });
const log = createLogger({ pod: config.pod, level: config.log.level });
const { pod, telemetry, noticeTimeout, drainTimeout } = config;

await runProcess(
  async (life) => {
    const observer = await startObserving(life, { pod, role: 'gateway', log, telemetry });
    const gateway = await life.start(
      'gateway',
      () => startGateway(config, { clock: systemClock, log, observer }),
      (running) => running.close(),
      { closeMs: drainTimeout + 5000 },
    );
    followConfig(life, gatewayConfig, values.config, log, (next) => gateway.reconfigure(next));
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
