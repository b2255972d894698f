import { join } from 'node:path';
import type { EnvoyPart } from '#compose/parts/envoy.ts';
import type { MysqlPart } from '#compose/parts/mysql.ts';
import {
  dataDir,
  logFile,
  meshTls,
  ordersFile,
  podConfigFile,
  podDir,
  podRunDir,
  socketPath,
} from '#compose/topology/paths.ts';
import {
  edgeUrlsOf,
  groupOf,
  podsBeside,
  podsOf,
  podsOfGroup,
  portOf,
  replicasOf,
} from '#compose/topology/query.ts';
import type { Pod, Topology } from '#compose/topology/types.ts';
import type { MeshModel } from '#envoy/model/schema.ts';
import { envoyArgs } from '#envoy/write/args.ts';
import { writeStateFile } from '#kernel/config/state-file.ts';
import type { GatewayGroup } from './gateways.ts';
import type { Hosts } from './hosts.ts';
import type { Secrets } from './secrets.ts';
import type { SecuritySettings } from './security-settings.ts';
import { type SitesFile, sitesIn } from './sites.ts';
import type { ProgramSpec } from './supervised.ts';
import type { Targets } from './targets.ts';
import { processTelemetry, type TelemetryTarget } from './telemetry.ts';

/** How a pod's process is started otherwise than usual. */
export interface Launch {
  /** The tree that its code comes from; default: this one. */
  readonly root?: string;
  /** More options of Node. */
  readonly nodeArgs?: readonly string[];
}

/** Asked whenever the mesh starts a pod; what dies is started again as it was. */
export type LaunchOf = (pod: Pod, topology: Topology) => Launch;

/** What the programs of a mesh are made from. */
export interface ProgramContext {
  readonly topology: Topology;
  readonly hosts: Pick<Hosts, 'placed'>;
  readonly model: MeshModel;
  readonly envoy: EnvoyPart;
  readonly mysql: MysqlPart;
  readonly templateDir: string;
  readonly secrets: Secrets;
  readonly edgeUrls: readonly string[];
  readonly publicCa: string;
  readonly gateways: readonly GatewayGroup[];
  readonly sites: SitesFile;
  /** Of workers. */
  readonly targets: Targets;
  /** Of security pods, besides what the runner knows. */
  readonly security: SecuritySettings;
  /** Where Node keeps compiled code between starts. */
  readonly compileCache: string;
  readonly durability: 'full' | 'relaxed';
  readonly launch?: LaunchOf;
  readonly telemetry?: TelemetryTarget;
  /** Absolute paths of modules with more definitions of tasks. */
  readonly taskModules: readonly string[];
  /** Edges and proxies whose devices are to go on elsewhere. */
  readonly leaving: readonly string[];
  /** Pods that get no new calls. */
  readonly draining: ReadonlySet<string>;
}

const root = join(import.meta.dirname, '..', '..');

/** The main file of each role that runs a process of ours. */
const mains: Partial<Record<Pod['role'], string>> = {
  db: 'services/db-agent/main.ts',
  security: 'services/security/main.ts',
  proxy: 'services/proxy/main.ts',
  gateway: 'services/gateway/main.ts',
  worker: 'services/tasks/main.ts',
  backend: 'compose/demo/intranet/main.ts',
};

/** The sidecar of a pod. */
export function sidecarProgram(ctx: ProgramContext, pod: Pod): ProgramSpec {
  return ctx.hosts.placed(pod.host, {
    name: `${pod.name} sidecar`,
    command: ctx.envoy.bin,
    args: envoyArgs(ctx.model, ctx.topology, pod),
    env: {},
    logFile: join(podDir(ctx.topology, pod.name), 'log', 'sidecar.log'),
  });
}

/** The process of a pod, with its configuration written; undefined for an edge, which is a sidecar alone. */
export function processProgram(ctx: ProgramContext, pod: Pod): ProgramSpec | undefined {
  const main = mains[pod.role];
  if (main === undefined) return undefined;
  const file = writeProcessConfig(ctx, pod);
  const { root: from = root, nodeArgs = [] } = ctx.launch?.(pod, ctx.topology) ?? {};
  return ctx.hosts.placed(pod.host, {
    name: `${pod.name} process`,
    command: process.execPath,
    args: ['--max-old-space-size=512', ...nodeArgs, join(from, main), '--config', file],
    // Nothing of this process's environment: neither its secrets nor its NODE_OPTIONS.
    env: {
      PATH: process.env.PATH ?? '',
      ...(process.env.HOME === undefined ? {} : { HOME: process.env.HOME }),
      NODE_COMPILE_CACHE: ctx.compileCache,
    },
    logFile: logFile(ctx.topology, pod.name, 'process'),
  });
}

/** Writes what a pod's process is told, whole or not at all, and gives the file's path. */
export function writeProcessConfig(ctx: ProgramContext, pod: Pod): string {
  const file = podConfigFile(ctx.topology, pod.name);
  writeStateFile(file, configOf(ctx, pod));
  return file;
}

function configOf(ctx: ProgramContext, pod: Pod): object | undefined {
  const { topology: t, secrets } = ctx;
  const socket = (name: Parameters<typeof socketPath>[2]): string => socketPath(t, pod.name, name);
  const inRotation = (group: string): string[] =>
    podsOfGroup(t, group).flatMap(({ name }) => (ctx.draining.has(name) ? [] : [name]));
  switch (pod.role) {
    case 'db':
      return {
        pod: pod.name,
        mysqld: ctx.mysql.mysqld,
        dataDir: dataDir(t, pod.name),
        templateDir: ctx.templateDir,
        runDir: podRunDir(t, pod.name),
        sockets: { mysqld: socket('mysqld'), agent: socket('agent') },
        address: pod.address,
        groupPort: portOf(pod, 'group'),
        tlsDir: meshTls(t, pod.name).dir,
        follows: pod.site !== t.master,
        peers: groupOf(t)
          .filter((peer) => peer.name !== pod.name)
          .map((peer) => ({
            pod: peer.name,
            address: peer.address,
            groupPort: portOf(peer, 'group'),
            agent: { socketPath: socket('out'), host: `${peer.name}.agent` },
          })),
        witnesses:
          pod.site === t.master
            ? replicasOf(t).map(({ name }) => ({
                pod: name,
                agent: { socketPath: socket('out'), host: `${name}.agent` },
              }))
            : [],
        groupName: secrets.groupName,
        secretsFile: secrets.database,
        logFile: logFile(t, pod.name, 'mysqld'),
        durability: ctx.durability,
        backup: { stateDir: t.stateDir, mysql: ctx.mysql.mysql, mysqlbinlog: ctx.mysql.mysqlbinlog },
      };
    case 'security':
      return {
        ...ctx.security,
        pod: pod.name,
        host: pod.host,
        sockets: {
          grpc: socket('grpc'),
          connect: socket('connect'),
          out: socket('out'),
          dbRw: socket('db-rw'),
          dbRo: socket('db-ro'),
          figures: socket('figures'),
        },
        rootKey: { from: 'file', path: secrets.rootKey },
        database: { passwordFile: secrets.appPassword, migratePasswordFile: secrets.migratePassword },
        seedFile: secrets.seed,
        edgeUrls: ctx.edgeUrls,
        gateways: ctx.gateways.map(({ name, targets, site }) => ({
          ...{ name, site },
          pods: inRotation(name),
          targets: targets.filter(({ kind }) => kind === 'http').map((target) => target.name),
        })),
        sites: sitesIn(t, ctx.sites).map(({ name, edgeUrls, proxies, leaseMs }) => ({
          ...{ name, edgeUrls, proxies },
          ...(leaseMs !== undefined && { leaseMs }),
        })),
        ...processTelemetry(ctx.telemetry),
      };
    case 'proxy':
      return {
        pod: pod.name,
        sockets: {
          grpc: socket('grpc'),
          out: socket('out'),
          backends: socket('backends'),
          figures: socket('figures'),
        },
        securityPods: podsOf(t, 'security').map((each) => each.name),
        leaving: ctx.leaving,
        site: pod.site ?? ctx.sites.master.name,
        sites: sitesIn(t, ctx.sites, ctx.gateways).map(({ name, edgeUrls, backends, gatewayGroups }) => ({
          ...{ name, edgeUrls, backends, gatewayGroups },
        })),
        dialingGateways: ctx.gateways
          .filter(({ dial }) => dial === 'out')
          .flatMap(({ name }) => podsOfGroup(t, name).map((each) => each.name)),
        drainedGateways: podsOf(t, 'gateway').flatMap(({ name }) => (ctx.draining.has(name) ? [name] : [])),
        ...processTelemetry(ctx.telemetry),
      };
    case 'gateway': {
      const group = ctx.gateways.find(({ name }) => name === pod.gateway?.group);
      return {
        pod: pod.name,
        group: pod.gateway?.group,
        sockets: { grpc: socket('grpc'), out: socket('out') },
        proxies: (group?.dial === 'out' ? podsOf(t, 'proxy') : []).flatMap(({ name, site }) =>
          group?.site === undefined || site === pod.site ? [name] : [],
        ),
        targets: group?.targets ?? [],
        ...processTelemetry(ctx.telemetry),
      };
    }
    case 'worker':
      return {
        pod: pod.name,
        sockets: { out: socket('out'), dbRw: socket('db-rw'), figures: socket('figures') },
        database: { passwordFile: secrets.appPassword },
        securityPods: podsOf(t, 'security').map((each) => each.name),
        modules: ctx.taskModules,
        targets: ctx.targets,
        // Who dials out dials proxies.
        gateways: ctx.gateways
          .filter(({ dial }) => dial === 'in')
          .map(({ name }) => ({ name, pods: inRotation(name) })),
        ...processTelemetry(ctx.telemetry),
      };
    case 'backend':
      return {
        pod: pod.name,
        socket: socket('http'),
        ordersFile: ordersFile(t, pod.backend?.cluster ?? pod.name),
        jwks: {
          // Those of its own site.
          urls: edgeUrlsOf({ pods: podsBeside(t, 'edge', pod) }).map(
            (edge) => `${edge}/sallyport.keystore.v1.KeyStore/GetJwks`,
          ),
          caFile: ctx.publicCa,
        },
      };
    default:
      return undefined;
  }
}
