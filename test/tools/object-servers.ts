/** Servers that keep objects, of other makers, for tests: moto for S3, asyncssh for SFTP. Both from PyPI. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { firstOnPath } from '#compose/parts/executables.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { pythonPackages } from './python-packages.ts';

const packages = ['moto[server]==5.2.5', 'asyncssh==2.24.1'];

export interface Server {
  readonly port: number;
  stop(): Promise<void>;
}

export const objectServerPackages = (o: PartsOptions): Promise<string> =>
  pythonPackages(packages, ['moto.server', 'asyncssh'], o);

/** Says its port, which the system has chosen, on its first line. */
const s3Program = `
import logging, sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = make_server("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=True)
print(server.port, flush=True)
server.serve_forever()
`;

/** Keys are the client's public one and the server's private one; every path lies below the folder. */
const sftpProgram = `
import asyncio, asyncssh, sys
port, folder, host_key, client_key = sys.argv[1:5]
async def main():
    server = await asyncssh.listen("127.0.0.1", int(port), server_host_keys=[host_key],
        authorized_client_keys=client_key, sftp_factory=lambda chan: asyncssh.SFTPServer(chan, chroot=folder))
    print(server.get_port(), flush=True)
    await server.wait_closed()
asyncio.run(main())
`;

/** An S3 without a bucket; it takes any credentials. */
export const startS3 = (port: number, o: PartsOptions): Promise<Server> =>
  start(s3Program, [String(port)], o);

export const startSftp = (
  port: number,
  of: { readonly folder: string; readonly hostKey: string; readonly clientKey: string },
  o: PartsOptions,
): Promise<Server> => start(sftpProgram, [String(port), of.folder, of.hostKey, of.clientKey], o);

async function start(program: string, args: readonly string[], o: PartsOptions): Promise<Server> {
  const [python, path] = [await firstOnPath(['python3'], o.env), await objectServerPackages(o)];
  if (python === undefined) throw new Error('python3 is not on PATH');
  const child = spawn(python, ['-c', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...o.env, PYTHONPATH: path },
  });
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err = `${said.err}${text}`.slice(-2000);
  });
  const stop = (): Promise<void> => end(child);
  try {
    const port = await waitFor(
      () => {
        if (child.exitCode !== null) return -1;
        return said.out.includes('\n') ? Number.parseInt(said.out, 10) : undefined;
      },
      { timeoutMs: 60_000, what: 'the server to listen' },
    );
    if (port < 0) throw new Error(`the server ended: ${said.err}`);
    return { port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
