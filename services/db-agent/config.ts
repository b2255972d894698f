import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import type { DeepReadonly } from '#kernel/config/load-config.ts';

const absolute = z.string().startsWith('/', 'must be an absolute path');
const socket = absolute.max(99, 'Unix socket paths stay below 100 bytes');
const podName = z.string().regex(/^[a-z0-9-]{1,40}$/);
const port = z.int().min(1).max(65_535);
const password = z.string().min(16).max(128);

/** How to reach another pod's agent: HTTP over a Unix socket, which is the sidecar's in a mesh. */
const agentEndpoint = z.object({
  socketPath: socket.describe("Where it is reached; in a mesh the sidecar's `out.sock`."),
  host: z.string().default('agent').describe('Host header, by which the sidecar routes: `db-1.agent`.'),
});
export type AgentEndpoint = z.infer<typeof agentEndpoint>;

export const agentConfig = z.object({
  pod: podName.describe('Name of this pod.'),
  mysqld: absolute.describe('The mysqld to run: 8.4 or later with group_replication and clone.'),
  dataDir: absolute.describe("MySQL's data directory; my.cnf is written beside it."),
  templateDir: absolute.describe('An initialised data directory without GTIDs, copied at first start.'),
  runDir: absolute.describe('Short path for what lives as long as the processes.'),
  sockets: z.object({
    mysqld: socket.describe('Made by mysqld.'),
    agent: socket.describe('Where the agent serves HTTP.'),
  }),
  address: z.union([z.ipv4(), z.ipv6()]).describe('IP address on which mysqld listens.'),
  groupPort: port.describe("mysqld's own port, for SQL and group traffic."),
  tlsDir: absolute.describe('Holds current/{tls.crt,tls.key,ca.crt}; a swap of current is noticed.'),
  peers: z
    .array(
      z.object({
        pod: podName.describe('Name of another db pod; all others of the group are listed.'),
        address: z.string().describe('Its IP address.'),
        groupPort: port.describe("Its mysqld's port."),
        agent: agentEndpoint,
      }),
    )
    .max(8)
    .describe('All other db pods of the group.'),
  follows: z
    .boolean()
    .default(false)
    .describe('A replica at another site: it follows the group of its peers, and is no member of it.'),
  witnesses: z
    .array(z.object({ pod: podName.describe('Name of a replica at another site.'), agent: agentEndpoint }))
    .max(8)
    .default([])
    .describe(
      'Replicas that may have taken over: none of them must have when this node forms the group, and when one has it serves nobody.',
    ),
  groupName: z.guid().describe('Name of the group; also the source of its GTIDs.'),
  secretsFile: absolute.describe('JSON, mode 0600: passwords of root, recovery, app, migrate, agent.'),
  logFile: absolute.describe("mysqld's error log."),
  bufferPoolMb: z.int().min(32).max(1_048_576).default(64).describe('innodb_buffer_pool_size, in MiB.'),
  maxConnections: z.int().min(20).max(10_000).default(200).describe('max_connections of mysqld.'),
  durability: z
    .enum(['full', 'relaxed'])
    .default('full')
    .describe('full: every commit is on disk; relaxed: survives killed processes, not lost power.'),
  bootstrap: z
    .enum(['auto', 'force'])
    .default('auto')
    .describe('force: an empty node forms the group without having seen every peer.'),
  writeQuorum: z
    .int()
    .min(1)
    .max(9)
    .optional()
    .describe('ONLINE members without which nothing is written; default: most of the configured pods.'),
  backup: z
    .object({
      stateDir: absolute.describe(
        "The mesh's folder; backup.json in it has the schedule, and its keys are saved too.",
      ),
      mysql: absolute.describe("MySQL's client program `mysql`."),
      mysqlbinlog: absolute.describe('Its program `mysqlbinlog`.'),
    })
    .optional()
    .describe('Without it this pod makes no backups.'),
});
export type AgentConfig = DeepReadonly<z.infer<typeof agentConfig>>;

/** Passwords, the same on every pod of the group: accounts travel with a clone. */
export const agentSecrets = z.object({
  root: password,
  recovery: password,
  app: password,
  migrate: password,
  agent: password,
});
export type AgentSecrets = z.infer<typeof agentSecrets>;

export const writeQuorumOf = (config: AgentConfig): number =>
  config.writeQuorum ?? Math.floor((config.peers.length + 1) / 2) + 1;

/** @throws CONFIG_INVALID when others can read it, or it lacks something */
export async function readSecrets(file: string): Promise<AgentSecrets> {
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${file} can be read by others`,
      hint: `chmod 600 ${file}`,
    });
  }
  const parsed = agentSecrets.safeParse(JSON.parse(await readFile(file, 'utf8')));
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
  throw new SallyportError('CONFIG_INVALID', { message: `${file}: wrong or missing: ${fields}` });
}
