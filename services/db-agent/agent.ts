import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '#kernel/time/clock.ts';
import { users } from './accounts.ts';
import { BackupDuty } from './backup/duty.ts';
import { type AgentConfig, readSecrets } from './config.ts';
import { Disk } from './disk.ts';
import { groupCommands } from './group-commands.ts';
import { serveHttp } from './http.ts';
import { Keeper } from './keeper.ts';
import type { Log } from './log.ts';
import { GroupMemory } from './memory.ts';
import { renderMyCnf } from './my-cnf.ts';
import { Mysqld } from './mysqld.ts';
import { Peers } from './peers.ts';
import { Poll } from './poll.ts';
import { Promotions } from './promotion.ts';
import { openChannel } from './replica/channel.ts';
import { Replica } from './replica/replica.ts';
import { handOver, stopNode } from './stop-node.ts';
import { watchTls } from './tls-watch.ts';

export interface Agent {
  /** Begins to end mysqld and then the agent; further calls change nothing. */
  stop(handover: boolean): void;
  /** Resolves when both have ended. */
  readonly ended: Promise<void>;
}

export interface Surroundings {
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * A replica that has taken over is the first node of another group, and one that is about to is still a replica, whatever
 * its configuration, which is written by somebody else, already or still says.
 */
function asPromoted(config: AgentConfig, { all }: Promotions): AgentConfig {
  const own = all.find(
    ({ pod, from, to }) => pod === config.pod && (from === config.groupName || to === config.groupName),
  );
  if (own === undefined) return config;
  if (own.era === undefined) return { ...config, follows: true, groupName: own.from };
  if (own.to === config.groupName) return config;
  return { ...config, follows: false, groupName: own.to, peers: [], witnesses: [] };
}

/** Puts the agent of one db pod together and starts it. @throws if its configuration or folders are unusable. */
export async function startAgent(given: AgentConfig, { log, clock, random }: Surroundings): Promise<Agent> {
  const promotions = new Promotions(dirname(given.dataDir));
  const config = asPromoted(given, promotions);
  const secrets = await readSecrets(config.secretsFile);
  await mkdir(config.runDir, { recursive: true, mode: 0o700 });
  await mkdir(dirname(config.logFile), { recursive: true });

  const account = { socketPath: config.sockets.mysqld, user: users.agent, password: secrets.agent };
  const commands = groupCommands(account, secrets);
  const cnfFile = join(dirname(config.dataDir), 'my.cnf');
  const pidFile = join(config.runDir, 'mysqld.pid');
  const mysqld = new Mysqld({
    bin: config.mysqld,
    cnfFile,
    pidFile,
    runDir: config.runDir,
    logFile: config.logFile,
    maxLogBytes: 16_000_000,
    log,
    clock,
    random,
  });
  const poll = new Poll({ account, clock });
  const peers = new Peers({ peers: config.peers, clock });
  const witnesses = new Peers({ peers: config.witnesses, clock });
  const memory = new GroupMemory(join(dirname(config.dataDir), 'last-group.json'));
  const disk = new Disk(config.dataDir);
  const { tlsDir, sockets, pod, peers: sources } = config;
  const replica = config.follows
    ? new Replica({
        pod,
        channel: openChannel({ socketPath: sockets.mysqld, secrets, tlsDir }),
        sources,
        clock,
      })
    : undefined;
  let stopping: ((handover: boolean) => void) | undefined;
  const toStop = new Promise<boolean>((resolve) => {
    stopping = resolve;
  });
  const stop = (handover: boolean): void => stopping?.(handover);
  const keeper = new Keeper({
    ...{
      config,
      secrets,
      mysqld,
      poll,
      peers,
      witnesses,
      promotions,
      commands,
      replica,
      memory,
      disk,
      log,
      clock,
    },
    end: () => stop(false),
  });
  const duty = new BackupDuty({ config, keeper, peers, clock, log });
  const parts = { keeper, mysqld, peers, commands, log };

  const finish = new AbortController();
  // First, so that a second agent of this pod ends here.
  const server = await serveHttp({
    socketPath: config.sockets.agent,
    keeper,
    duty,
    log,
    stop,
    handOver: () => handOver(parts),
  });

  // Read at mysqld's next start.
  await mkdir(dirname(cnfFile), { recursive: true });
  await writeFile(cnfFile, renderMyCnf(config, { pidFile, asRoot: process.getuid?.() === 0 }), {
    mode: 0o600,
  });
  mysqld.adopt();
  const running = Promise.all([
    poll.run(),
    peers.run(),
    witnesses.run(),
    keeper.run(),
    duty.run(),
    watchTls(config.tlsDir, commands.reloadTls, { clock, log, signal: finish.signal }),
  ]);

  const ended = (async () => {
    const handover = await toStop;
    log('info', 'stopping', { handover });
    duty.stop();
    await stopNode(parts, handover);
    poll.stop();
    peers.stop();
    witnesses.stop();
    finish.abort();
    await running;
    server.close();
    server.closeAllConnections();
    await rm(config.sockets.agent, { force: true });
  })();
  return { stop, ended };
}
