/** The db-agent of one pod: `node services/db-agent/main.ts --config FILE`. */
import { parseArgs } from 'node:util';
import { SallyportError } from '#core/errors/error.ts';
import { loadConfig } from '#kernel/config/load-config.ts';
import { createLogger, flushRepeats } from '#kernel/log/logger.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { type Agent, startAgent } from './agent.ts';
import { agentConfig } from './config.ts';

// It ends by an order over HTTP as well as by a signal, and takes up to 40 s for either: hence no
// Lifecycle, whose parts close within seconds and by a signal alone.
let agent: Agent | undefined;
let stopWanted = false;
const stop = (): void => {
  stopWanted = true;
  agent?.stop(true);
};
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);

let logger = createLogger({ pod: 'db-agent' });
try {
  const file = parseArgs({ options: { config: { type: 'string' } } }).values.config;
  if (file === undefined) throw new SallyportError('CONFIG_INVALID', { message: 'say --config FILE' });
  const config = loadConfig(agentConfig, { file });
  logger = createLogger({ pod: config.pod });
  agent = await startAgent(config, {
    log: (level, message, fields = {}) => logger[level](fields, message),
    clock: systemClock,
    random: Math.random,
  });
  if (stopWanted) agent.stop(true);
  await agent.ended;
} catch (err) {
  logger.fatal({ err }, 'the db-agent cannot go on');
  flushRepeats(logger);
  // What it has opened already would keep the process, which then neither serves nor is started again.
  process.exit(1);
}
flushRepeats(logger);
