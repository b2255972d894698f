import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { AgentConfig } from './config.ts';

type Settings = Readonly<Record<string, string | number>>;

/** Brings an idle node to about 350 MB: instruments and buffers that a small store does not need. */
const smallMemory: Settings = {
  innodb_log_buffer_size: '4M',
  innodb_redo_log_capacity: '32M',
  innodb_ddl_buffer_size: '4M',
  key_buffer_size: 8,
  table_open_cache: 256,
  table_definition_cache: 400,
  temptable_max_ram: '16M',
  tmp_table_size: '4M',
  performance_schema_instrument: "'%=OFF'",
  performance_schema_consumer_events_statements_current: 'OFF',
  performance_schema_consumer_events_transactions_current: 'OFF',
  performance_schema_consumer_statements_digest: 'OFF',
  performance_schema_consumer_thread_instrumentation: 'OFF',
  performance_schema_max_thread_instances: 300,
  performance_schema_digests_size: 0,
  performance_schema_max_table_instances: 0,
  performance_schema_max_table_handles: 0,
  performance_schema_max_mutex_instances: 0,
  performance_schema_max_cond_instances: 0,
  performance_schema_max_rwlock_instances: 0,
  performance_schema_max_file_instances: 0,
  performance_schema_max_sql_text_length: 0,
  performance_schema_max_digest_length: 0,
  performance_schema_events_statements_history_long_size: 0,
  performance_schema_events_waits_history_long_size: 0,
  performance_schema_events_stages_history_long_size: 0,
  performance_schema_events_transactions_history_long_size: 0,
  performance_schema_error_size: 0,
  performance_schema_accounts_size: 0,
  performance_schema_hosts_size: 0,
  performance_schema_users_size: 0,
};

const storage: Settings = {
  innodb_autoextend_increment: 1,
  character_set_server: 'utf8mb4',
  default_time_zone: "'+00:00'",
  transaction_isolation: 'READ-COMMITTED',
  innodb_lock_wait_timeout: 5,
  // Group replication certifies rows by their primary keys.
  sql_require_primary_key: 'ON',
  disabled_storage_engines: 'MyISAM,BLACKHOLE,FEDERATED,ARCHIVE,MEMORY',
  secure_file_priv: 'NULL',
  local_infile: 'OFF',
  // Lifted by the group on its primary alone; a node outside the group takes no writes.
  super_read_only: 'ON',
};

const log: Settings = {
  gtid_mode: 'ON',
  enforce_gtid_consistency: 'ON',
  log_bin: 'binlog',
  relay_log: 'relay',
  max_binlog_size: '64M',
  binlog_expire_logs_seconds: 86_400,
  log_error_verbosity: 2,
};

/**
 * The fencing settings. Detection of a dead member takes 5 s whatever one sets; expel_timeout 0 adds
 * nothing to it. A member that lost the majority gives up after 3 s and serves nobody until the agent has
 * brought it back: MySQL's own autorejoin would leave it answering stale reads meanwhile.
 */
const fencing: Settings = {
  group_replication_start_on_boot: 'OFF',
  group_replication_single_primary_mode: 'ON',
  group_replication_member_expel_timeout: 0,
  group_replication_unreachable_majority_timeout: 3,
  group_replication_autorejoin_tries: 0,
  group_replication_exit_state_action: 'OFFLINE_MODE',
  group_replication_consistency: 'BEFORE_ON_PRIMARY_FAILOVER',
};

const catchingUp: Settings = {
  group_replication_message_cache_size: 134_217_728,
  // Default 60 s between two tries of a joiner to reach a donor.
  group_replication_recovery_reconnect_interval: 3,
  group_replication_recovery_retry_count: 10,
  // Above so many missing transactions a clone is quicker than replaying them.
  group_replication_clone_threshold: 100_000,
};

/** MySQL reads these paths anew on ALTER INSTANCE RELOAD TLS, and for each connection it opens itself. */
function tls(dir: string): Settings {
  const at = (file: string): string => join(dir, 'current', file);
  return {
    ssl_ca: at('ca.crt'),
    ssl_cert: at('tls.crt'),
    ssl_key: at('tls.key'),
    tls_version: 'TLSv1.3',
    auto_generate_certs: 'OFF',
    sha256_password_auto_generate_rsa_keys: 'OFF',
    caching_sha2_password_auto_generate_rsa_keys: 'OFF',
    clone_ssl_ca: at('ca.crt'),
    clone_ssl_cert: at('tls.crt'),
    clone_ssl_key: at('tls.key'),
    group_replication_ssl_mode: 'VERIFY_CA',
    group_replication_recovery_use_ssl: 'ON',
    group_replication_recovery_ssl_ca: at('ca.crt'),
    group_replication_recovery_ssl_cert: at('tls.crt'),
    group_replication_recovery_ssl_key: at('tls.key'),
    group_replication_recovery_tls_version: 'TLSv1.3',
  };
}

/**
 * A replica starts to receive when its agent says so. After a crash it fetches what it had not applied again; a member's
 * relay log may hold the only copy.
 */
const following: Settings = { skip_replica_start: 'ON', relay_log_recovery: 'ON' };

/** A pod keeps its uuid for good, also when it starts over with an empty disk. */
export function serverUuid(groupName: string, pod: string): string {
  const hex = createHash('sha256').update(`${groupName} ${pod}`).digest('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}

const serverId = (config: AgentConfig): number =>
  (createHash('sha256').update(`${config.groupName} ${config.pod}`).digest().readUInt32BE() % 4_294_967_294) +
  1;

/** IPv6 addresses stand in brackets where a port follows. */
const hostPort = (p: { address: string; groupPort: number }): string =>
  p.address.includes(':') ? `[${p.address}]:${p.groupPort}` : `${p.address}:${p.groupPort}`;

export interface CnfPlace {
  readonly pidFile: string;
  /** mysqld refuses to run as root unless told to. */
  readonly asRoot: boolean;
}

/** The text of my.cnf. Holds no secret. */
export function renderMyCnf(config: AgentConfig, place: CnfPlace): string {
  const full = config.durability === 'full';
  const settings: Settings = {
    ...smallMemory,
    ...storage,
    ...log,
    ...fencing,
    ...catchingUp,
    ...tls(config.tlsDir),
    ...(config.follows ? following : {}),
    ...(place.asRoot ? { user: 'root' } : {}),
    server_id: serverId(config),
    datadir: config.dataDir,
    socket: config.sockets.mysqld,
    pid_file: place.pidFile,
    bind_address: config.address,
    port: config.groupPort,
    report_host: config.address,
    report_port: config.groupPort,
    skip_name_resolve: 'ON',
    mysqlx: 'OFF',
    back_log: 128,
    max_connections: config.maxConnections,
    innodb_buffer_pool_size: `${config.bufferPoolMb}M`,
    innodb_flush_log_at_trx_commit: full ? 1 : 2,
    sync_binlog: full ? 1 : 0,
    plugin_load_add: "'group_replication.so;mysql_clone.so'",
    group_replication_group_name: config.groupName,
    // The MYSQL stack speaks on the server's own port, with the server's own TLS.
    group_replication_communication_stack: 'MYSQL',
    group_replication_local_address: hostPort(config),
    group_replication_group_seeds: [config, ...config.peers].map(hostPort).sort().join(','),
  };
  const lines = Object.entries(settings).map(([name, value]) => {
    // Without `loose_` an option of a plugin that is not loaded yet would stop the server.
    const key = /^(group_replication|clone)_/.test(name) ? `loose_${name}` : name;
    return `${key}=${value}`;
  });
  return `[mysqld]\n${lines.join('\n')}\n`;
}
