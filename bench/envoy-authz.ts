import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '#kernel/time/wait-for.ts';
import { envoyBinary } from '#test/envoy.ts';
import type { BenchContext } from './harness/context.ts';
import { pinnedTo, serverCore } from './harness/cores.ts';

export interface EnvoyWithAuthz {
  /** Takes HTTP/2. */
  readonly socket: string;
  /** Envoy and the server that it asks. */
  readonly pids: readonly number[];
  readonly bearer: string;
}

const bearer = 'Bearer of-the-bench';

/** A plain Envoy that asks the trivial ext_authz server about every request, before an HTTP/1.1 backend. */
export async function startEnvoyWithAuthz(context: BenchContext, backend: string): Promise<EnvoyWithAuthz> {
  const socket = join(context.dir, 'envoy.sock');
  const authz = join(context.dir, 'authz.sock');
  const tokens = [[bearer, 'ada']];
  const server = await context.start('servers/ext-authz-map.ts', serverCore, { socket: authz, tokens });
  const file = join(context.dir, 'envoy.json');
  writeFileSync(file, JSON.stringify(bootstrap(socket, authz, backend)));
  const [program, ...args] = pinnedTo(serverCore, [
    await envoyBinary(),
    ...['-c', file, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error'],
  ]);
  const child = spawn(program, args, { stdio: ['ignore', 2, 2] });
  const ended = once(child, 'exit');
  context.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await waitFor(() => existsSync(socket), { timeoutMs: 60_000, everyMs: 50, what: 'Envoy to listen' });
  return { socket, pids: [child.pid ?? 0, server.pid], bearer };
}

const type = (name: string) => ({ '@type': `type.googleapis.com/${name}` });
const pipe = (path: string) => ({ pipe: { path } });

function bootstrap(socket: string, authz: string, backend: string): unknown {
  return {
    static_resources: {
      listeners: [{ name: 'in', address: pipe(socket), filter_chains: [{ filters: [manager()] }] }],
      clusters: [
        cluster('backend', backend),
        {
          ...cluster('authz', authz),
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              ...type('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        },
      ],
    },
  };
}

function manager() {
  const extAuthz = {
    ...type('envoy.extensions.filters.http.ext_authz.v3.ExtAuthz'),
    transport_api_version: 'V3',
    grpc_service: { envoy_grpc: { cluster_name: 'authz' }, timeout: '5s' },
  };
  const router = type('envoy.extensions.filters.http.router.v3.Router');
  return {
    name: 'http',
    typed_config: {
      ...type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
      stat_prefix: 'in',
      codec_type: 'HTTP2',
      http_filters: [
        { name: 'envoy.filters.http.ext_authz', typed_config: extAuthz },
        { name: 'envoy.filters.http.router', typed_config: router },
      ],
      route_config: {
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, route: { cluster: 'backend', timeout: '60s' } }],
          },
        ],
      },
    },
  };
}

function cluster(name: string, path: string) {
  const endpoint = { endpoint: { address: pipe(path) } };
  return {
    name,
    type: 'STATIC',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] },
  };
}
