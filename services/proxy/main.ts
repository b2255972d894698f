/** A proxy pod: `node services/proxy/main.ts --config FILE`. */
import { parseArgs } from 'node:util';
import { loadConfig } from '#kernel/config/load-config.ts';
import { runProcess } from '#kernel/lifecycle/run-process.ts';
import { createLogger } from '#kernel/log/logger.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { proxyConfig } from './config.ts';
import { startProxy } from './proxy.ts';

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const config = loadConfig(proxyConfig, values.config === undefined ? {} : { file: values.config });
const log = createLogger({ pod: config.pod, level: config.log.level });

await runProcess(
  async (life) => {
    await life.start(
      'proxy',
      () => startProxy(config, { clock: systemClock, log }),
      (proxy) => proxy.close(),
      { closeMs: config.drainTimeout + 5000 },
    );
  },
  { log },
);
