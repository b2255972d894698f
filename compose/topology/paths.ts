import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Topology } from './types.ts';

/** The part of a topology that says where things are. */
export type Folders = Pick<Topology, 'stateDir' | 'runDir'>;

/**
 * Unix socket addresses hold 107 bytes on Linux and 103 on macOS, temporary suffixes included; so ours
 * stay below 100.
 */
export const maxSocketPathBytes = 99;

/**
 * Sockets of a pod. Made by the process: `grpc` (grpc-js: hot services, health, reflection), `connect`
 * (connect-node: rare services), `figures` (counts), `http` (a backend), `agent` (db-agent), `mysqld`. Made by its sidecar:
 * `out` (egress for gRPC), `backends` (egress for HTTP), `db-rw` (MySQL primary), `db-ro` (any readable
 * member), `admin` (Envoy's admin).
 */
export const socketNames = [
  'grpc',
  'connect',
  'figures',
  'http',
  'agent',
  'mysqld',
  'out',
  'backends',
  'db-rw',
  'db-ro',
  'admin',
] as const;
export type SocketName = (typeof socketNames)[number];

/** Resource types of file xDS; each has a directory of its own (Envoy watches directories, not files). */
export const xdsTypes = ['lds', 'cds', 'eds', 'rds', 'sds'] as const;
export type XdsType = (typeof xdsTypes)[number];

/** The short folder for sockets: `<tmp>/sallyport-<uid>/<8 hex digits of the state folder's digest>`. */
export function runDirOf(stateDir: string, where: { tmp: string; uid: number }): string {
  const digest = createHash('sha256').update(stateDir).digest('hex').slice(0, 8);
  return join(where.tmp, `sallyport-${where.uid}`, digest);
}

/** Folder of a pod's sockets, mode 0700. */
export const podRunDir = (f: Folders, pod: string): string => join(f.runDir, pod);

/** Path of one socket of a pod. */
export const socketPath = (f: Folders, pod: string, name: SocketName): string =>
  join(podRunDir(f, pod), `${name}.sock`);

/** Folder of all that is kept about a pod. */
export const podDir = (f: Folders, pod: string): string => join(f.stateDir, 'pods', pod);

/** The process's own configuration file. */
export const podConfigFile = (f: Folders, pod: string): string => join(podDir(f, pod), 'config.json');

/** Folder of a pod's log files. */
export const logDir = (f: Folders, pod: string): string => join(podDir(f, pod), 'log');

/** Log file of the process (`process`), of its sidecar (`envoy`, and `access` if asked for), of mysqld. */
export const logFile = (f: Folders, pod: string, of: 'process' | 'envoy' | 'access' | 'mysqld'): string =>
  join(logDir(f, pod), `${of}.log`);

/** A database pod's data directory. */
export const dataDir = (f: Folders, pod: string): string => join(podDir(f, pod), 'data');

/** What the demo's intranet keeps, shared by all pods of its cluster. */
export const ordersFile = (f: Folders, cluster: string): string =>
  join(f.stateDir, 'backends', `${cluster}.orders.db`);

/** A pair of folder and the symlink `current` in it, which rotation swaps in one rename. */
export interface TlsFolder {
  /** The folder in which `current` is swapped. Sidecars read copies, which envoy/write makes. */
  readonly dir: string;
  readonly cert: string;
  readonly key: string;
  /** Mesh certificates only. */
  readonly ca: string;
}

const tlsFolder = (dir: string): TlsFolder => ({
  dir,
  cert: join(dir, 'current', 'tls.crt'),
  key: join(dir, 'current', 'tls.key'),
  ca: join(dir, 'current', 'ca.crt'),
});

/** A pod's mesh identity. */
export const meshTls = (f: Folders, pod: string): TlsFolder => tlsFolder(join(podDir(f, pod), 'tls'));

/** An edge's certificate for phones, from the public CA. */
export const publicTls = (f: Folders, pod: string): TlsFolder => tlsFolder(join(podDir(f, pod), 'public'));

/** Everything Envoy reads about one pod. */
export const envoyDir = (f: Folders, pod: string): string => join(podDir(f, pod), 'envoy');

/** The static bootstrap of a pod's sidecar. */
export const bootstrapFile = (f: Folders, pod: string): string => join(envoyDir(f, pod), 'bootstrap.json');

/** The watched directory of one resource type. */
export const xdsDir = (f: Folders, pod: string, type: XdsType): string => join(envoyDir(f, pod), type);

/**
 * A file in the watched directory of its type. All listeners, and all clusters, share one file; of the other
 * types Envoy reads one resource from one file, named for it.
 */
export const xdsFile = (f: Folders, pod: string, type: XdsType, resource: string = type): string =>
  join(xdsDir(f, pod, type), `${resource.replaceAll('/', '.')}.json`);

/** Certificate authorities of this mesh. */
export const pkiDir = (f: Pick<Folders, 'stateDir'>): string => join(f.stateDir, 'pki');

/** Passwords and the root key, mode 0700. */
export const secretsDir = (f: Pick<Folders, 'stateDir'>): string => join(f.stateDir, 'secrets');

/** What runs at present: pids with start times, ports, addresses. */
export const runFile = (f: Pick<Folders, 'stateDir'>): string => join(f.stateDir, 'run.json');
