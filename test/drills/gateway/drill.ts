import { rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { runDirOf, socketPath } from '#compose/topology/paths.ts';
import { podsOf } from '#compose/topology/query.ts';
import { temporaryState } from '../../mesh-state.ts';
import type { DrillDefinition, Failure, Ground } from '../drill.ts';
import { chosen } from '../random.ts';

const goals = { relay: 2000, login: 2000, write: 2000 };
const anyOf =
  (part: 'process' | 'sidecar'): Failure['victims'] =>
  ({ topology }, random) => [{ pod: chosen(random, podsOf(topology, 'gateway')).name, part }];

/** The demo's intranet, where gateways find it: beside its sidecar, as a server would be that has none. */
async function prepare(): Promise<Ground> {
  const stateDir = temporaryState();
  const runDir = runDirOf(stateDir, { tmp: tmpdir(), uid: process.getuid?.() ?? userInfo().uid });
  const path = socketPath({ stateDir, runDir }, 'intranet-0', 'http');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const inside = connect(path);
    for (const [each, other] of [
      [socket, inside],
      [inside, socket],
    ] as const) {
      sockets.add(each);
      each.on('error', () => other.destroy());
      each.on('close', () => {
        sockets.delete(each);
        other.destroy();
      });
      each.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const gatewaysFile = join(stateDir, 'gateways.yaml');
  const limits = { calls: 10_000 };
  const target = { name: 'intranet', kind: 'http', url: `http://127.0.0.1:${port}`, limits };
  const groups = [{ name: 'hr', forest: 'corp.example', pods: 3, targets: [target] }];
  writeFileSync(gatewaysFile, JSON.stringify({ groups }), { mode: 0o600 });
  return {
    stateDir,
    mesh: { gatewaysFile },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

export const drill: DrillDefinition = {
  about:
    'all requests go through gateways, one is lost with calls in progress: what may be repeated is, by itself',
  prepare,
  failures: [
    { name: 'SIGKILL a gateway', goals, victims: anyOf('process') },
    { name: "SIGKILL a gateway's sidecar", goals, victims: anyOf('sidecar') },
    // Longer than until the watchdog ends it.
    { name: 'SIGSTOP a gateway', goals, victims: anyOf('process'), lasts: [12_000, 15_000] },
  ],
};
