import { z } from 'zod';
import type { DeepReadonly } from '#kernel/config/load-config.ts';

const absolute = z.string().startsWith('/', 'must be an absolute path');
const socket = absolute.max(99, 'Unix socket paths stay below 100 bytes');
const podName = z.string().regex(/^[a-z0-9-]{1,40}$/);
const port = z.int().min(1).max(65_535);
const password = z.string().min(16).max(128);

/** How to reach another pod's agent: HTTP over a Unix socket, which is the sidecar's in a mesh. */
const agentEndpoint = z.object({
  socketPath: socket,
  /** Host header, by which the sidecar routes: `db-1.agent`. */
  host: z.string().default('agent'),
});
export type AgentEndpoint = z.infer<typeof agentEndpoint>;

export const agentConfig = z.object({
  pod: podName,
  mysqld: absolute.meta({ about: 'the mysqld to run: 8.4 or later with group_replication and clone' }),
  dataDir: absolute,
  templateDir: absolute.meta({ about: 'an initialised data directory without GTIDs, copied at first start' }),
  runDir: absolute.meta({ about: 'short path for what lives as long as the processes' }),
  sockets: z.object({ mysqld: socket, agent: socket }),
  address: z.union([z.ipv4(), z.ipv6()]),
  groupPort: port,
  tlsDir: absolute.meta({ about: 'holds current/{tls.crt,tls.key,ca.crt}; a swap of current is noticed' }),
  peers: z
    .array(z.object({ pod: podName, address: z.string(), groupPort: port, agent: agentEndpoint }))
    .max(8)
    .meta({ about: 'all other db pods of the group' }),
  groupName: z.guid().meta({ about: 'name of the group; also the source of its GTIDs' }),
  secretsFile: absolute.meta({ about: 'JSON, mode 0600: passwords of root, recovery, app, migrate, agent' }),
  logFile: absolute.meta({ about: "mysqld's error log" }),
  bufferPoolMb: z.int().min(32).max(1_048_576).default(64),
  maxConnections: z.int().min(20).max(10_000).default(200),
  durability: z
    .enum(['full', 'relaxed'])
    .default('full')
    .meta({ about: 'full: every commit is on disk; relaxed: survives killed processes, not lost power' }),
  bootstrap: z
    .enum(['auto', 'force'])
    .default('auto')
    .meta({ about: 'force: an empty node forms the group without having seen every peer' }),
  writeQuorum: z
    .int()
    .min(1)
    .max(9)
    .optional()
    .meta({ about: 'ONLINE members without which nothing is written; default: most of the configured pods' }),
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
