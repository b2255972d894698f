/** The db-agent of one pod: `node services/db-agent/main.ts --config FILE`. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { type Agent, startAgent } from './agent.ts';
import { type AgentConfig, agentConfig } from './config.ts';

async function readConfig(file: string | undefined): Promise<AgentConfig> {
  if (file === undefined) throw new SallyportError('CONFIG_INVALID', { message: 'say --config FILE' });
  const parsed = agentConfig.safeParse(JSON.parse(await readFile(file, 'utf8')));
  if (parsed.success) return parsed.data;
  throw new SallyportError('CONFIG_INVALID', { message: `${file}: ${z.prettifyError(parsed.error)}` });
}

let agent: Agent | undefined;
let stopWanted = false;
const stop = (): void => {
  stopWanted = true;
  agent?.stop(true);
};
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);

const logger = pino({
  base: null,
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (level) => ({ level }) },
});
try {
  const config = await readConfig(parseArgs({ options: { config: { type: 'string' } } }).values.config);
  const named = logger.child({ pod: config.pod });
  agent = await startAgent(config, {
    log: (level, message, fields = {}) => named[level](fields, message),
    clock: systemClock,
    random: Math.random,
  });
  if (stopWanted) agent.stop(true);
  await agent.ended;
} catch (error) {
  logger.fatal({ err: error }, 'the db-agent cannot go on');
  process.exitCode = 1;
}
