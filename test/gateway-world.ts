/** What only gateways reach, for tests: an HTTP server, the gateways.yaml that names it, and a policy that uses it. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Mesh } from '#compose/runner/mesh.ts';
import { Policy } from '#gen/sallyport/policy/v1/policy_pb.js';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { askSecurityByConnect } from '#services/cli/operator.ts';

const demoPolicy = new URL('../compose/demo/policy.yaml', import.meta.url);
export const boardOrigin = 'https://board.example';

export interface Board {
  readonly port: number;
  /** What has come, in order: `METHOD path`. */
  readonly seen: string[];
  /** Answers that are held back until they are let go. */
  readonly held: (() => void)[];
  /** Gateways that have asked. */
  readonly gateways: Set<string>;
  close(): Promise<void>;
}

/** Answers with the name of the gateway that asks; `/echo` with what it was sent; `/held` when it is let go. */
export async function startBoard(): Promise<Board> {
  const seen: string[] = [];
  const held: (() => void)[] = [];
  const gateways = new Set<string>();
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const gateway = request.headers.via?.replace('1.1 ', '') ?? 'nobody';
    gateways.add(gateway);
    seen.push(`${request.method} ${request.url}`);
    response.writeHead(200, { 'x-gateway': gateway, 'x-host': request.headers.host ?? '' });
    if (request.url === '/echo') request.pipe(response);
    else if (request.url?.startsWith('/held')) held.push(() => response.end(gateway));
    else response.end(gateway);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    held,
    gateways,
    close: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A gateways.yaml in that folder: group `hr` with so many gateways, and `far` with one that dials out. */
export function writeGateways(folder: string, board: Pick<Board, 'port'>, pods: number): string {
  const file = join(folder, 'gateways.yaml');
  const target = {
    name: 'board',
    kind: 'http',
    url: `http://127.0.0.1:${board.port}`,
    domain: 'hr.corp.example',
  };
  const greet = {
    ...{ name: 'greet', kind: 'command', argv: ['/bin/echo', 'hello', '{whom}'] },
    parameters: { whom: '[a-z]+' },
  };
  const far = { name: 'far-board', kind: 'http', url: target.url };
  const groups = [
    { name: 'hr', forest: 'corp.example', pods, targets: [target, greet] },
    { name: 'far', forest: 'far.example', pods: 1, dial: 'out', targets: [far] },
  ];
  writeFileSync(file, JSON.stringify({ groups }));
  return file;
}

/** The demo's policy, and the board for its staff. */
export const openBoard = (
  mesh: Pick<Mesh, 'stateDir'>,
  resource: Record<string, string> = {},
): Promise<void> =>
  applyPolicy(mesh, ({ resources }) => {
    resources.push({
      ...{ name: 'board', backend: 'board', gatewayGroup: 'hr', hosts: ['board.example'], ...resource },
      rules: [{ name: 'staff reads the board', groups: ['staff'] }],
    });
    resources.push({
      ...{ name: 'far-board', backend: 'far-board', gatewayGroup: 'far', hosts: ['far.example'] },
      rules: [{ name: 'staff reads it', groups: ['staff'] }],
    });
  });

/** The demo's policy with a change. */
export async function applyPolicy(
  mesh: Pick<Mesh, 'stateDir'>,
  change: (document: { readonly resources: Record<string, unknown>[] }) => void,
): Promise<void> {
  const document = parse(readFileSync(demoPolicy, 'utf8')) as { resources: Record<string, unknown>[] };
  change(document);
  const request = { requestKey: randomUUID(), documentJson: JSON.stringify(document) };
  await askSecurityByConnect(runningMesh(mesh.stateDir), Policy, (client) => client.applyPolicy(request));
}
