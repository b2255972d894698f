/**
 * A MySQL group for tests: real agents and mysqlds, no Envoy. A small relay stands in for the sidecar: it
 * follows the agents' health checks and cuts connections to a node that fails them, as Envoy does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMysql } from '#compose/parts/mysql.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { mysqlTemplate } from '#compose/parts/template.ts';
import { isAlive, processIdentity, startTimeOf } from '#kernel/lifecycle/process-identity.ts';
import { openPki, type Pki } from '#kernel/pki/pki.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { askBackup } from '#services/db-agent/backup/ask.ts';
import type { BackupAnswer } from '#services/db-agent/backup/duty.ts';
import { askStatus } from '#services/db-agent/peers.ts';
import type { AgentStatus } from '#services/db-agent/status.ts';
import { askAgent, startRelay } from './db-relay.ts';
import { whenProcessEnds } from './leave-nothing.ts';
import { portFinder } from './ports.ts';

export interface DbGroupOptions {
  /** Default 3. */
  readonly pods?: number;
  /** Another node, which follows the group from another site. */
  readonly replica?: boolean;
  /** Default `relaxed`: tests kill processes, not the machine. */
  readonly durability?: 'full' | 'relaxed';
  /** More of the agents' configuration. */
  readonly agent?: Readonly<Record<string, unknown>>;
}

export interface DbNode {
  readonly pod: string;
  readonly agentSocket: string;
  readonly mysqldSocket: string;
  readonly dir: string;
  readonly groupPort: number;
  /** @throws while the agent does not answer. */
  status(): Promise<AgentStatus>;
  /** What its agent says of backups. */
  backup(): Promise<BackupAnswer>;
  agentPid(): number | undefined;
  mysqldPid(): number | undefined;
  startAgent(): void;
  /** SIGKILL, and waits until it is dead. */
  killAgent(): Promise<void>;
  killMysqld(): Promise<void>;
  /** POST to the agent; gives the status code. */
  order(path: string, body?: unknown): Promise<number>;
  /** Resolves when agent and mysqld have ended by themselves. */
  ended(ms: number): Promise<void>;
}

export interface DbGroup {
  readonly dir: string;
  readonly nodes: readonly DbNode[];
  /** The one that follows, if there is one. */
  readonly replica: DbNode | undefined;
  readonly pki: Pki;
  /** Stand for db-rw.sock and db-ro.sock of a sidecar. */
  readonly rwSocket: string;
  readonly roSocket: string;
  readonly passwords: Readonly<Record<'root' | 'recovery' | 'app' | 'migrate' | 'agent', string>>;
  /** Waits until so many members (default: all) are ONLINE and one of them answers as primary. */
  online(members?: number, ms?: number): Promise<void>;
  primary(): Promise<DbNode>;
  /** Ends every process and removes the folder. */
  close(): Promise<void>;
}

const root = new URL('..', import.meta.url).pathname;

/** What is needed to understand a failure, on standard error: what each node says of itself, and the end of its logs. */
export async function tellNodes({ nodes, replica }: DbGroup): Promise<void> {
  for (const node of [...nodes, ...(replica === undefined ? [] : [replica])]) {
    const says = await node.status().then((status) => JSON.stringify(status), String);
    const logs = ['agent.log', 'mysqld.log']
      .map((name) => join(node.dir, name))
      .filter((file) => existsSync(file))
      .map((file) => readFileSync(file, 'utf8').split('\n').slice(-25).join('\n'));
    process.stderr.write([`── ${node.pod}: ${says}`, ...logs, ''].join('\n'));
  }
}

/** Starts it from nothing, in a folder of its own; resolves once the agents run, see `online`. */
export async function startDbGroup(options: DbGroupOptions = {}): Promise<DbGroup> {
  const parts: PartsOptions = { env: process.env, progress: () => {} };
  const mysql = await findMysql(parts);
  const templateDir = await mysqlTemplate(mysql, parts);
  // Short: sockets live in it.
  const dir = mkdtempSync(join(tmpdir(), 'sp-db-'));
  const pki = await openPki(dir);
  const passwords = Object.fromEntries(
    ['root', 'recovery', 'app', 'migrate', 'agent'].map((name) => [
      name,
      randomBytes(18).toString('base64url'),
    ]),
  ) as DbGroup['passwords'];
  const secretsFile = join(dir, 'secrets.json');
  writeFileSync(secretsFile, JSON.stringify(passwords), { mode: 0o600 });
  const groupName = randomUUID();
  const pods = Array.from({ length: options.pods ?? 3 }, (_, n) => `db-${n}`);
  const replicaPod = 'db-far-0';
  const findPort = portFinder();
  const withReplica = [...pods, ...(options.replica === true ? [replicaPod] : [])];
  const places = await Promise.all(
    withReplica.map(async (pod) => ({
      pod,
      address: '127.0.0.1',
      groupPort: await findPort(),
      run: join(dir, 'run', pod),
      agent: { socketPath: join(dir, 'run', pod, 'agent.sock'), host: `${pod}.agent` },
    })),
  );
  const all: DbNode[] = [];
  const forget = whenProcessEnds(() => {
    // Agents first: they would start their mysqlds again.
    for (const pid of [...all.map((node) => node.agentPid()), ...all.map((node) => node.mysqldPid())])
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
  });
  for (const { pod, address, groupPort, run, agent } of places) {
    await pki.ensurePod(pod, 'db', { ips: [address] });
    const podDir = join(dir, 'pods', pod);
    mkdirSync(run, { recursive: true, mode: 0o700 });
    const config = {
      pod,
      mysqld: mysql.mysqld,
      dataDir: join(podDir, 'data'),
      templateDir,
      runDir: run,
      sockets: { mysqld: join(run, 'mysqld.sock'), agent: agent.socketPath },
      address,
      groupPort,
      tlsDir: join(podDir, 'tls'),
      peers: places.filter((p) => p.pod !== pod && p.pod !== replicaPod).map(({ run: _, ...peer }) => peer),
      follows: pod === replicaPod,
      witnesses: places
        .filter((p) => p.pod === replicaPod && pod !== replicaPod)
        .map(({ pod: name, agent: at }) => ({ pod: name, agent: at })),
      groupName,
      secretsFile,
      logFile: join(podDir, 'mysqld.log'),
      durability: options.durability ?? 'relaxed',
      backup: { stateDir: dir, mysql: mysql.mysql, mysqlbinlog: mysql.mysqlbinlog },
      ...options.agent,
    };
    const configFile = join(podDir, 'config.json');
    writeFileSync(configFile, JSON.stringify(config));
    const node = dbNode(pod, podDir, configFile, config);
    node.startAgent();
    all.push(node);
  }
  const nodes = all.filter(({ pod }) => pod !== replicaPod);
  const rwSocket = join(dir, 'rw.sock');
  const roSocket = join(dir, 'ro.sock');
  const targets = nodes.map((n) => ({ agent: n.agentSocket, mysqld: n.mysqldSocket }));
  const relays = [
    await startRelay(rwSocket, targets, '/primary'),
    await startRelay(roSocket, targets, '/replica'),
  ];

  const close = async (): Promise<void> => {
    forget();
    for (const relay of relays) relay.close();
    // Agents first: they would start their mysqlds again.
    await Promise.all(all.map((node) => node.killAgent()));
    await Promise.all(all.map((node) => node.killMysqld()));
    rmSync(dir, { recursive: true, force: true });
  };
  const primary = async (): Promise<DbNode> => {
    for (const node of nodes) if ((await askAgent(node.agentSocket, 'GET', '/primary')) === 200) return node;
    throw new Error('there is no primary');
  };
  return {
    dir,
    nodes,
    replica: all.find(({ pod }) => pod === replicaPod),
    pki,
    rwSocket,
    roSocket,
    passwords,
    primary,
    online: async (members = nodes.length, ms = 90_000) => {
      /** @throws what each node is, which the wait tells when it is given up */
      const assertOnline = async (): Promise<void> => {
        await primary();
        // Each by its own word: one that is just joining is ONLINE for the others a little earlier.
        const words = await Promise.all(
          nodes.map((node) =>
            node.status().then(
              (s) => ({ state: s.state, says: `${s.state} (${s.phase}, has ${s.gtidExecuted})` }),
              () => ({ state: 'DOWN', says: 'DOWN' }),
            ),
          ),
        );
        if (words.filter(({ state }) => state === 'ONLINE').length >= members) return;
        throw new Error(words.map(({ says }, n) => `${pods[n]} is ${says}`).join('; '));
      };
      await waitFor(
        async () => {
          await assertOnline();
          // An agent's word may be half a second old: from before a kill.
          await new Promise((resolve) => setTimeout(resolve, 700));
          await assertOnline();
          return true;
        },
        { timeoutMs: ms, everyMs: 100, what: `${members} ONLINE members` },
      );
    },
    close,
  };
}

function dbNode(
  pod: string,
  podDir: string,
  configFile: string,
  config: { runDir: string; groupPort: number; sockets: { mysqld: string; agent: string } },
): DbNode {
  let agent: ChildProcess | undefined;
  const agentPid = (): number | undefined =>
    agent?.exitCode === null && !agent.signalCode ? agent.pid : undefined;
  const mysqldPid = (): number | undefined => {
    try {
      const identity = processIdentity.parse(
        JSON.parse(readFileSync(join(config.runDir, 'mysqld.json'), 'utf8')),
      );
      return isAlive(identity) ? identity.pid : undefined;
    } catch {
      // Not started yet, or ended in order.
      return undefined;
    }
  };
  const kill = async (pid: number | undefined): Promise<void> => {
    const startTime = pid === undefined ? undefined : startTimeOf(pid);
    if (pid === undefined || startTime === undefined) return;
    process.kill(pid, 'SIGKILL');
    await waitFor(() => !isAlive({ pid, startTime }), {
      timeoutMs: 20_000,
      everyMs: 10,
      what: `${pid} to die`,
    });
  };
  return {
    pod,
    dir: podDir,
    groupPort: config.groupPort,
    agentSocket: config.sockets.agent,
    mysqldSocket: config.sockets.mysqld,
    status: () => askStatus({ socketPath: config.sockets.agent, host: 'agent' }, 1000),
    backup: () => askBackup(config.sockets.agent, 'GET'),
    agentPid,
    mysqldPid,
    startAgent: () => {
      const log = openSync(join(podDir, 'agent.log'), 'a');
      agent = spawn(process.execPath, [join(root, 'services/db-agent/main.ts'), '--config', configFile], {
        stdio: ['ignore', log, log],
      });
      closeSync(log);
    },
    killAgent: () => kill(agentPid()),
    killMysqld: () => kill(mysqldPid()),
    order: (path, body) => askAgent(config.sockets.agent, 'POST', path, body),
    ended: async (ms) => {
      await waitFor(() => agentPid() === undefined && mysqldPid() === undefined, {
        timeoutMs: ms,
        what: `${pod} to end`,
      });
    },
  };
}
