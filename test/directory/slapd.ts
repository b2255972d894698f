/** A real OpenLDAP for tests: a slapd of its own, on loopback, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'ldapts';
import { run } from '#compose/parts/run.ts';
import { createCa, issue } from '#kernel/pki/authority.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { whenProcessEnds } from '../leave-nothing.ts';
import { portFinder } from '../ports.ts';
import { findSlapd, type Slapd } from '../tools/slapd.ts';

export interface SlapdOptions {
  /** Entries that it begins with, LDIF. */
  readonly ldif: string;
  /** Modules to load besides. */
  readonly modules?: readonly string[];
  /** Lines of slapd.conf for the database. */
  readonly database?: readonly string[];
  /** contextCSN is kept (syncprov): deletions show in it. Default true. */
  readonly contextCsn?: boolean;
}

export interface SlapdServer {
  readonly ldap: string;
  readonly ldaps: string;
  readonly port: number;
  readonly caPem: string;
  /** Of an account that may do all. */
  readonly admin: { readonly dn: string; readonly password: string };
  readonly base: string;
  pid(): number | undefined;
  start(): Promise<void>;
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** A connection that may do all; the caller unbinds it. */
  client(): Promise<Client>;
  /** Stops it and removes its folder. */
  close(): Promise<void>;
}

export const base = 'dc=example,dc=org';
const admin = { dn: `cn=admin,${base}`, password: 'directory admin' };

/** Starts it; its certificate is for 127.0.0.1 and localhost, of an authority of its own. */
export async function startSlapd(options: SlapdOptions): Promise<SlapdServer> {
  const slapd = await findSlapd({ env: process.env, progress: () => {} });
  const dir = mkdtempSync(join(tmpdir(), 'sp-slapd-'));
  const ca = await createCa({ name: 'directory', days: 2 }, systemClock);
  const leaf = await issue(ca, { dns: ['localhost'], ips: ['127.0.0.1'], hours: 24 }, systemClock);
  const nextPort = portFinder();
  const [port, tlsPort] = [await nextPort(), await nextPort()];
  const conf = join(dir, 'slapd.conf');
  mkdirSync(join(dir, 'db'));
  for (const [name, text] of [
    ['ca.pem', ca.cert],
    ['cert.pem', leaf.cert],
    ['key.pem', leaf.key],
    ['start.ldif', options.ldif],
    ['slapd.conf', configText(slapd, dir, options)],
  ] as const) {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
  }
  const env = { ...process.env, ...slapd.env };
  const load = ['-T', 'add', '-q', '-f', conf, '-l', join(dir, 'start.ldif')];
  const loaded = await run(slapd.bin, load, { env, timeoutMs: 300_000 });
  if (!loaded.ok) throw new Error(`slapadd: ${loaded.stderr.slice(-2000)}`);

  const urls = [`ldap://127.0.0.1:${port}`, `ldaps://127.0.0.1:${tlsPort}`] as const;
  const logFile = join(dir, 'slapd.log');
  let child: ChildProcess | undefined;
  const stop = async (signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  const start = async (): Promise<void> => {
    const log = openSync(logFile, 'a', 0o600);
    const started = spawn(slapd.bin, ['-d', '0', '-f', conf, '-h', urls.join(' ')], {
      env,
      stdio: ['ignore', log, log],
    });
    child = started;
    const kill = (): void => {
      started.kill('SIGKILL');
      rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
    };
    const forget = whenProcessEnds(kill);
    started.once('exit', forget);
    await waitFor(() => started.exitCode !== null || answers(port), {
      timeoutMs: 60_000,
      what: 'slapd to listen',
    });
    if (started.exitCode !== null) throw new Error(`slapd: ${readFileSync(logFile, 'utf8').slice(-2000)}`);
  };
  await start();
  return {
    ldap: urls[0],
    ldaps: urls[1],
    port,
    caPem: ca.cert,
    admin,
    base,
    pid: () => child?.pid,
    start,
    stop,
    client: async () => {
      const client = new Client({ url: urls[0], timeout: 60_000 });
      await client.bind(admin.dn, admin.password);
      return client;
    },
    close: async () => {
      await stop('SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function configText({ schemaDir, moduleDir }: Slapd, dir: string, options: SlapdOptions): string {
  const { database = [], modules = [], contextCsn = true } = options;
  return [
    ...['core', 'cosine', 'inetorgperson', 'nis'].map((each) => `include ${schemaDir}/${each}.schema`),
    `modulepath ${moduleDir}`,
    'moduleload back_mdb',
    'moduleload syncprov',
    'moduleload refint',
    ...modules.map((each) => `moduleload ${each}`),
    `pidfile ${dir}/slapd.pid`,
    `TLSCACertificateFile ${dir}/ca.pem`,
    `TLSCertificateFile ${dir}/cert.pem`,
    `TLSCertificateKeyFile ${dir}/key.pem`,
    'database mdb',
    `suffix "${base}"`,
    `directory ${dir}/db`,
    'maxsize 2147483648',
    'dbnosync',
    `rootdn "${admin.dn}"`,
    `rootpw "${admin.password}"`,
    'index objectClass,entryUUID,uid,member eq',
    'index entryCSN eq',
    ...database,
    'overlay refint',
    'refint_attributes member',
    `refint_nothing "${admin.dn}"`,
    ...(contextCsn ? ['overlay syncprov'] : []),
    'access to attrs=userPassword by anonymous auth by * none',
    'access to * by * read',
    '',
  ].join('\n');
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
