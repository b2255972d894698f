import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '#kernel/time/wait-for.ts';
import { startEnvoyWithAuthz } from './envoy-authz.ts';
import type { Bench, BenchContext } from './harness/context.ts';
import { loadCore, pinnedTo, serverCore } from './harness/cores.ts';
import { plainFigure, ratioFigure, undecided } from './harness/figure.ts';
import { type Contender, interleave, rateOf } from './harness/interleave.ts';
import type { RelayLoad } from './load/relay.ts';
import type { GivenSession } from './servers/security-tier.ts';
import { policy } from './tier.ts';

const goal = { atLeast: 0.7 };
const KiB = 1024;
const MiB = 2 ** 20;
const root = new URL('..', import.meta.url).pathname;

/** Each attached once. */
const devices = 8;

interface Size {
  readonly name: string;
  readonly sendBytes: number;
  readonly answerBytes: number;
  readonly inFlight: number;
}
const sizes: readonly Size[] = [
  { name: '1KiB', sendBytes: KiB, answerBytes: KiB, inFlight: 50 },
  // One at a time of each device: nothing shares a frame but what belongs to one request.
  { name: '1KiB-single', sendBytes: KiB, answerBytes: KiB, inFlight: devices },
  { name: '1MiB', sendBytes: KiB, answerBytes: MiB, inFlight: 8 },
];

export const relay: Bench = {
  name: 'relay',
  about: 'a proxy process with sealed requests beside a bare HTTP/2 to HTTP/1.1 reverse proxy on Node',
  run: async (context) => {
    const { dir } = context;
    const backend = join(dir, 'backend.sock');
    await context.start('servers/http-backend.ts', loadCore, { socket: backend });
    const bareSocket = join(dir, 'bare.sock');
    const bare = await context.start('servers/reverse-proxy.ts', serverCore, { socket: bareSocket, backend });
    const envoy = await startEnvoyWithAuthz(context, backend);
    const proxy = await startProxyProcess(context, backend);
    const figures = [];
    for (const size of sizes) {
      const { name: _, ...bodies } = size;
      const sealed = async (kind: RelayLoad['kind']): Promise<Contender> => ({
        name: kind,
        pids: [proxy.pid],
        load: await context.start('load/relay.ts', loadCore, {
          ...{ socket: proxy.socket, kind, sessions: await proxy.sessions(devices), ...bodies },
        } satisfies RelayLoad),
      });
      const plain = async (
        name: string,
        socket: string,
        pids: number[],
        headers = {},
      ): Promise<Contender> => ({
        ...{ name, pids },
        load: await context.start('load/http2.ts', loadCore, { socket, headers, ...bodies }),
      });
      const contenders = [
        await plain('bare', bareSocket, [bare.pid]),
        await sealed('stream'),
        await sealed('exchange'),
        await plain('envoy', envoy.socket, [...envoy.pids], { authorization: envoy.bearer }),
      ];
      // Only the first has a goal.
      const goals = size === sizes[0] ? { stream: goal } : {};
      const rates = await interleave(context, contenders, (so) =>
        Object.entries(goals).some(([name, each]) => undecided(rateOf(so, name), rateOf(so, 'bare'), each)),
      );
      const unit = 'requests per CPU second, as a ratio to a bare reverse proxy on Node';
      for (const name of ['stream', 'exchange', 'envoy']) {
        const named = { name: `relay.${size.name}.${name}`, unit, ...(name in goals && { goal }) };
        figures.push(ratioFigure(named, rateOf(rates, name), rateOf(rates, 'bare')));
      }
      for (const { name } of contenders) {
        const named = { name: `relay.${size.name}.${name}.rate`, unit: 'requests per CPU second' };
        figures.push(plainFigure(named, rateOf(rates, name)));
      }
      for (const each of contenders) await each.load.stop?.();
    }
    return figures;
  },
};

/** services/proxy/main.ts, between a tier that stands in and the backend; no sidecar. */
export async function startProxyProcess(context: BenchContext, backend: string) {
  const out = join(context.dir, 'out.sock');
  const socket = join(context.dir, 'proxy.sock');
  const tier = await context.start('servers/security-tier.ts', loadCore, { socket: out, policy });
  const configFile = join(context.dir, 'proxy.json');
  const sockets = { grpc: socket, out, backends: backend };
  const config = { pod: 'proxy-0', sockets, securityPods: ['sec-0'], log: { level: 'warn' } };
  writeFileSync(configFile, JSON.stringify(config));
  const main = join(root, 'services/proxy/main.ts');
  const [program, ...args] = pinnedTo(serverCore, [process.execPath, main, '--config', configFile]);
  const child = spawn(program, args, { stdio: ['ignore', 2, 2] });
  const ended = once(child, 'exit');
  context.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await waitFor(() => existsSync(socket), { timeoutMs: 60_000, everyMs: 50, what: 'the proxy to listen' });
  return {
    pid: child.pid ?? 0,
    socket,
    sessions: async (count: number) => (await tier.ask({ sessions: count })) as GivenSession[],
  };
}
