import { askAdmin } from './ask.ts';

export interface ServerInfo {
  /** `1.40.0` */
  readonly version: string;
  /** `LIVE`, `DRAINING` (it was told to fail its health checks), `PRE_INITIALIZING`, `INITIALIZING`. */
  readonly state: string;
  readonly uptimeSeconds: number;
  /** What it was started with, by Envoy's names: `concurrency`, `log_level`, `drain_time`. */
  readonly options: Readonly<Record<string, string>>;
}

/** @throws as askAdmin */
export async function readServerInfo(socketPath: string): Promise<ServerInfo> {
  const info = JSON.parse(await askAdmin(socketPath, '/server_info')) as {
    version?: string;
    state?: string;
    uptime_current_epoch?: string;
    command_line_options?: Record<string, unknown>;
  };
  return {
    version: info.version?.split('/')[1] ?? '?',
    state: info.state ?? '?',
    uptimeSeconds: Number.parseInt(info.uptime_current_epoch ?? '0', 10),
    options: Object.fromEntries(
      Object.entries(info.command_line_options ?? {}).map(([name, value]) => [name, String(value)]),
    ),
  };
}
