import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { runDirOf, socketPath } from '#compose/topology/paths.ts';
import { startSlapd } from '../../directory/slapd.ts';
import { temporaryState } from '../../mesh-state.ts';
import type { Ground } from '../drill.ts';

/** What the demo's intranet is called as a target, by the group through which it is reached. */
export const intranetOf: Readonly<Record<string, string>> = { hr: 'intranet', far: 'far-intranet' };
/** In the mesh's folder: a line for each time that the command was run. */
const ranFile = 'commands-run';
const ldif = `dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: uid=ada,dc=example,dc=org
objectClass: inetOrgPerson
uid: ada
cn: Ada
sn: Ada`;

/** How often the command has been run with each of its parameters. */
export function commandsRun(stateDir: string): Map<string, number> {
  const file = join(stateDir, ranFile);
  const counts = new Map<string, number>();
  for (const line of existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [])
    counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

/**
 * What gateways reach: the demo's intranet, beside its sidecar, as a server would be that has none; and one target of
 * every other kind. Group `hr` is dialled, group `far` dials out.
 */
export async function prepare(): Promise<Ground> {
  const stateDir = temporaryState();
  const intranet = await intranetBeside(stateDir);
  const echo = await listening((socket) => socket.pipe(socket));
  const slapd = await startSlapd({ ldif });
  const passwordFile = join(stateDir, 'directory-password');
  const caFile = join(stateDir, 'directory-ca.pem');
  writeFileSync(passwordFile, slapd.admin.password, { mode: 0o600 });
  writeFileSync(caFile, slapd.caPem);
  const program = join(stateDir, 'command.sh');
  writeFileSync(program, `#!/bin/sh\necho "$1" >> ${join(stateDir, ranFile)}\nsleep 0.1\necho "$1"\n`);
  chmodSync(program, 0o700);
  const gatewaysFile = join(stateDir, 'gateways.yaml');
  const http = (name: string) => ({
    ...{ name, kind: 'http', url: `http://127.0.0.1:${intranet.port}`, limits: { calls: 10_000 } },
  });
  const groups = [
    {
      ...{ name: 'hr', forest: 'corp.example', pods: 3 },
      targets: [
        http('intranet'),
        { name: 'echo', kind: 'tcp', host: '127.0.0.1', port: echo.port },
        {
          ...{
            name: 'directory',
            kind: 'ldap',
            url: slapd.ldaps,
            caFile,
            bindDn: slapd.admin.dn,
            passwordFile,
          },
          operations: ['search', 'modify'],
        },
        { name: 'command', kind: 'command', argv: [program, '{n}'], parameters: { n: '[a-z0-9-]+' } },
      ],
    },
    { name: 'far', forest: 'far.example', pods: 2, dial: 'out', targets: [http('far-intranet')] },
  ];
  writeFileSync(gatewaysFile, JSON.stringify({ groups }), { mode: 0o600 });
  return {
    stateDir,
    mesh: { gatewaysFile },
    close: async () => {
      for (const each of [intranet, echo]) each.close();
      await slapd.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

/** The demo's intranet of the mesh on that folder, at a port of loopback, past its sidecar. */
export async function intranetBeside(
  stateDir: string,
): Promise<{ readonly port: number; readonly connections: number; close(): void }> {
  const runDir = runDirOf(stateDir, { tmp: tmpdir(), uid: process.getuid?.() ?? userInfo().uid });
  const path = socketPath({ stateDir, runDir }, 'intranet-0', 'http');
  let connections = 0;
  const { port, close } = await listening((socket) => {
    connections += 1;
    pair(socket, connect(path));
  });
  return {
    ...{ port, close },
    /** Since it began. */
    get connections() {
      return connections;
    },
  };
}

/** A server on loopback that can be closed with all that is connected. */
async function listening(serve: (socket: Socket) => void): Promise<{ port: number; close: () => void }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function pair(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
}
