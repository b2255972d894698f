import { parseArgs } from 'node:util';
import { loadConfig } from '#kernel/config/load-config.ts';
import { runProcess } from '#kernel/lifecycle/run-process.ts';
import { createLogger } from '#kernel/log/logger.ts';
import { securityConfig } from './config.ts';
import { observe } from './observe.ts';
import { startCore } from './start-core.ts';
import { startServers } from './start-servers.ts';
import { startStorage } from './start-storage.ts';

// node services/security/main.ts --config FILE
const { values } = parseArgs({ options: { config: { type: 'string' } } });
const config = loadConfig(securityConfig, {
  ...(values.config !== undefined && { file: values.config }),
  env: process.env,
  envPrefix: 'SALLYPORT_SECURITY_',
});
const log = createLogger({ pod: config.pod, level: config.logLevel });

await runProcess(
  async (life) => {
    const observer = await observe(life, config, log);
    const storage = await startStorage(life, config, log);
    const core = await startCore(life, config, log, storage, observer);
    await startServers(life, config, log, storage, core, observer);
  },
  { log },
);
