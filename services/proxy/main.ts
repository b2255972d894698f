/** A proxy pod: `node services/proxy/main.ts --config FILE`. */
import { parseArgs } from 'node:util';
import { loadConfig } from '#kernel/config/load-config.ts';
import { followConfig, startFigures, startObserving } from '#kernel/lifecycle/pod-process.ts';
import { runProcess } from '#kernel/lifecycle/run-process.ts';
import { createLogger } from '#kernel/log/logger.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { proxyConfig } from './config.ts';
import { startProxy } from './proxy.ts';

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const config = loadConfig(proxyConfig, values.config === undefined ? {} : { file: values.config });
const log = createLogger({ pod: config.pod, level: config.log.level });
const { pod, telemetry, noticeTimeout, drainTimeout } = config;

await runProcess(
  async (life) => {
    const observer = await startObserving(life, { pod, role: 'proxy', log, telemetry });
    await startFigures(life, config.sockets.figures);
    const proxy = await life.start(
      'proxy',
      () => startProxy(config, { clock: systemClock, log, observer }),
      (running) => running.close(),
      { closeMs: drainTimeout + 5000 },
    );
    followConfig(life, proxyConfig, values.config, log, (next) => proxy.reconfigure(next));
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
