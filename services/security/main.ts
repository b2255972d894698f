import { parseArgs } from 'node:util';
import { loadConfig } from '#kernel/config/load-config.ts';
import { followConfig, startFigures, startObserving } from '#kernel/lifecycle/pod-process.ts';
import { runProcess } from '#kernel/lifecycle/run-process.ts';
import { createLogger } from '#kernel/log/logger.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { GatewayAssignments } from './authorize/gateway-assignments.ts';
import { securityConfig } from './config.ts';
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
    const { pod, telemetry } = config;
    const observer = await startObserving(life, { pod, role: 'security', log, telemetry });
    await startFigures(life, config.sockets.figures);
    const gateways = new GatewayAssignments(config.gateways, systemClock, config.sessions.maxHeld);
    followConfig(life, securityConfig, values.config, log, (next) => gateways.setGroups(next.gateways));
    const storage = await startStorage(life, config, log);
    const core = await startCore(life, config, log, storage, observer, gateways);
    await startServers(life, config, log, storage, core, observer);
  },
  { log },
);
