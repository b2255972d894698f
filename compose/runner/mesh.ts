import { mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { type EnvoyPart, findEnvoy } from '#compose/parts/envoy.ts';
import { withLock } from '#compose/parts/lock.ts';
import { findMysql, type MysqlPart } from '#compose/parts/mysql.ts';
import { cacheDirOf, type PartsOptions } from '#compose/parts/options.ts';
import { mysqlTemplate } from '#compose/parts/template.ts';
import { runDirOf } from '#compose/topology/paths.ts';
import { edgeUrlsOf, podsOf } from '#compose/topology/query.ts';
import type { Topology } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { isAlive, startTimeOf } from '#kernel/lifecycle/process-identity.ts';
import { openPki } from '#kernel/pki/pki.ts';
import type { Clock, Timer } from '#kernel/time/clock.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { readApplied } from './change/apply.ts';
import { OneChange } from './change/one-change.ts';
import { type Changes, changesOf } from './changes.ts';
import { serveControl } from './control/server.ts';
import { checkGatewaySites, parseGateways, readGateways } from './gateways.ts';
import { type Host, openHosts } from './hosts.ts';
import { checkInotify } from './inotify.ts';
import { limitLogs } from './log-limit.ts';
import { pssMib } from './memory.ts';
import { end, endOrphans, livingProcesses, type NamedProcess, removeRunDir } from './orphans.ts';
import { ensureOwnFolder } from './own-folder.ts';
import { placePods } from './place-pods.ts';
import type { LaunchOf } from './programs.ts';
import { adoptPromotion } from './promoted.ts';
import { isServing, waitUntilUp } from './ready.ts';
import { type RunState, readRunState, writeRunState } from './run-file.ts';
import { type MeshParts, RunningMesh } from './running-mesh.ts';
import { ensureSecrets } from './secrets.ts';
import { parseSecuritySettings, readSecuritySettings } from './security-settings.ts';
import { KeptSettings, type Sizes, type Tuned, tunedBy } from './settings.ts';
import { parseSites, type SlaveSite } from './sites.ts';
import { stopInOrder } from './stop.ts';
import { parseTargets, readTargets } from './targets.ts';
import { type TelemetryTarget, withTelemetry } from './telemetry.ts';
import { troublesOf } from './troubles.ts';
import { refuseHalfRestored } from './unfinished-restore.ts';
import { Watchdog } from './watchdog.ts';

export interface MeshOptions {
  /** Where everything is kept. */
  readonly stateDir: string;
  readonly env: NodeJS.ProcessEnv;
  /** What happens, a line each. */
  readonly progress: (line: string) => void;
  /** Gives the start up. */
  readonly signal?: AbortSignal;
  /**
   * Pods of each tier; defaults 3, 3, 2, 3, 1, 0, 1. A service pod is a sidecar for a process of somebody else's.
   * What is named is kept for the next start on this folder, as what {@link Mesh.scale} is told.
   */
  readonly sizes?: Sizes;
  /**
   * Where pods live: pod n of a tier on host n mod length. Default: three hosts that share 127.0.0.1. Those
   * with a network namespace of their own can be cut off and lost as machines are.
   */
  readonly hosts?: readonly Host[];
  /** A mesh.yaml that names what differs from the shipped one; without it what was applied here last. */
  readonly meshFile?: string;
  /** A gateways.yaml, which is kept for the next start on this folder; without it the one that was given last. */
  readonly gatewaysFile?: string;
  /** The text of a sites.yaml, kept likewise. */
  readonly sites?: string;
  /** A targets.yaml, what workers reach; kept as the gateways.yaml is. */
  readonly targetsFile?: string;
  /** A security.yaml, what security pods are told besides; kept likewise. */
  readonly securityFile?: string;
  /** Every certificate is issued anew so often, in ms; without it at half of its life. For tests. */
  readonly rotateEveryMs?: number;
  /** `full` (default): every commit is on disk. `relaxed`: survives killed processes, not lost power. */
  readonly durability?: 'full' | 'relaxed';
  /** Modules with definitions of tasks, beside those that are shipped: what workers run. */
  readonly taskModules?: readonly string[];
  /** For tests: how processes are started otherwise than usual. */
  readonly launch?: LaunchOf;
  /** Where processes and sidecars send traces, and processes figures too; without it nowhere. */
  readonly telemetry?: TelemetryTarget;
  readonly cacheDir?: string;
  readonly clock?: Clock;
}

/** What of a pod a signal can be sent to. */
export type PodPart = 'process' | 'sidecar' | 'mysqld';

/** A mesh that runs on this machine, owned by this process. */
export interface Mesh extends Changes {
  readonly stateDir: string;
  /** As it is now: scaling replaces it. */
  readonly topology: Topology;
  /** Base URLs of the edges. */
  readonly edgeUrls: readonly string[];
  /** File with the root that edges' certificates are checked by. */
  readonly publicCa: string;
  /** Whether Envoy or MySQL had to be downloaded for this start. */
  readonly fetched: boolean;
  readonly demo: { readonly user: string; readonly passwordFile: string };
  /** All living processes, this one left out. */
  processes(): NamedProcess[];
  /** Memory of all its processes and this one, in MiB; undefined where the system does not tell. */
  pssMib(): number | undefined;
  /** Sends a signal to one process; false if it is not running. It is started again when it dies of it. */
  kill(pod: string, part: PodPart, signal: NodeJS.Signals): boolean;
  /** Resolves once everything serves again. */
  waitUp(timeoutMs?: number): Promise<void>;
  /** Stops everything in order; what does not stop is killed. */
  stop(): Promise<void>;
}

const demoUser = { name: 'anna', displayName: 'Anna Demo', groups: ['staff'] };
const policyFile = join(import.meta.dirname, '..', 'demo', 'policy.yaml');
const startMs = 150_000;
const certificateCheckMs = 3_600_000;
const logCheckMs = 30_000;
const watchdogMs = 1000;

/**
 * Brings the whole mesh up on this machine and resolves when it serves.
 * @throws MESH_RUNNING, START_FAILED, PartsError, or the reason of `signal`; then nothing is left running
 */
export async function startMesh(options: MeshOptions): Promise<Mesh> {
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
  const stateDir = realpathSync(options.stateDir);
  refuseHalfRestored(stateDir);
  const parts: PartsOptions = {
    env: options.env,
    progress: options.progress,
    ...(options.cacheDir !== undefined && { cacheDir: options.cacheDir }),
    ...(options.signal && { signal: options.signal }),
  };
  const uid = process.getuid?.() ?? userInfo().uid;
  const runDir = runDirOf(stateDir, { tmp: tmpdir(), uid });
  for (const dir of [dirname(runDir), runDir]) ensureOwnFolder(dir, uid);
  const runner = { pid: process.pid, startTime: startTimeOf(process.pid) ?? 'unknown' };
  let state: RunState = {
    version: 1,
    state: 'starting',
    runner,
    startedAt: new Date((options.clock ?? systemClock).now()).toISOString(),
    runDir,
    edgeUrls: [],
    publicCa: join(stateDir, 'pki', 'public-ca.crt'),
    pods: [],
    processes: [],
  };
  await withLock(join(stateDir, 'start.lock'), 'starting on this state folder', parts, async () => {
    // Again: it may have begun meanwhile, and says so under this lock.
    refuseHalfRestored(stateDir);
    const before = readRunState(stateDir);
    if (before !== undefined) {
      if (before.state !== 'stopped' && isAlive(before.runner)) {
        throw new SallyportError('MESH_RUNNING', {
          message: `a mesh is running on ${stateDir} (process ${before.runner.pid})`,
        });
      }
      await endOrphans(before, options.progress);
    }
    writeRunState(stateDir, state);
  });

  const save = (change: Partial<RunState>): void => {
    state = { ...state, ...change };
    writeRunState(stateDir, state);
  };
  /** While a disk is full the mesh runs on; what is missing in the file stands in it after the next change. */
  const note = (change: Partial<RunState>): void => {
    try {
      save(change);
    } catch (error) {
      options.progress(`what runs cannot be noted: ${String(error)}`);
    }
  };
  const { progress } = options;
  const clock = options.clock ?? systemClock;
  const changing = new OneChange(progress);
  const chores: Timer[] = [];
  let closeControl = async (): Promise<void> => {};
  let mesh: RunningMesh | undefined;
  const stop = async (): Promise<void> => {
    note({ state: 'stopping' });
    for (const chore of chores) chore.cancel();
    await changing.close();
    await closeControl();
    const before = livingProcesses(state);
    await stopInOrder(mesh?.running ?? new Map(), { runDir, pods: state.pods }, progress);
    // Whatever an agent could not end, such as a mysqld that hangs.
    await end(
      before.filter(({ identity }) => isAlive(identity)),
      'SIGTERM',
    );
    note({ state: 'stopped', processes: [], troubles: [] });
    removeRunDir(state);
  };

  try {
    const [envoy, mysql] = await Promise.all([findEnvoy(parts), findMysql(parts)]);
    const template = mysqlTemplate(mysql, parts);
    // Looked at below, after what can be done meanwhile.
    template.catch(() => undefined);
    progress(`Envoy ${envoy.version} (${envoy.source}), MySQL ${mysql.version} (${mysql.source})`);
    const kept = new KeptSettings(stateDir);
    kept.hold();
    const sites = parseSites(options.sites ?? kept.sites ?? '');
    const { slave } = sites;
    const hosts = await openHosts(options.hosts, options.env, slave?.hosts.map(asHost));
    if (options.sites !== undefined) kept.keepSites(options.sites);
    if (options.sizes !== undefined) kept.keepSizes(options.sizes);
    const given = options.gatewaysFile === undefined ? kept.gateways : readGateways(options.gatewaysFile);
    const gateways = given === undefined ? [] : parseGateways(given, options.gatewaysFile ?? 'gateways.yaml');
    checkGatewaySites(gateways, sites);
    if (options.gatewaysFile !== undefined && given !== undefined) kept.keepGateways(given);
    const reached = options.targetsFile === undefined ? kept.targets : readTargets(options.targetsFile);
    const targets = reached === undefined ? {} : parseTargets(reached, options.targetsFile ?? 'targets.yaml');
    if (options.targetsFile !== undefined && reached !== undefined) kept.keepTargets(reached);
    const told =
      options.securityFile === undefined ? kept.security : readSecuritySettings(options.securityFile);
    const security = parseSecuritySettings(told ?? '', options.securityFile ?? 'security.yaml');
    if (options.securityFile !== undefined && told !== undefined) kept.keepSecurity(told);
    adoptPromotion(stateDir, kept, slave);
    const place = (sizes: Sizes, running?: Topology): Promise<Topology> =>
      placePods(
        sizes,
        hosts,
        { stateDir, runDir },
        parts,
        uid,
        { gateways, slave, promoted: kept.promoted },
        running,
      );
    const topology = await place(kept.sizes);
    const traced = ({ model, patches }: Tuned): Tuned => ({
      model: withTelemetry(model, options.telemetry),
      patches,
    });
    const applied = options.meshFile === undefined ? kept.applied : readApplied({ file: options.meshFile });
    const shape = { topology, ...traced(tunedBy(applied)) };
    const noteProcesses = (): void =>
      note({
        processes: mesh?.living ?? [],
        troubles: troublesOf(mesh?.running ?? new Map(), watchdog?.missed ?? new Map()),
      });
    let watchdog: Watchdog | undefined;
    const fixed: MeshParts = {
      hosts,
      pki: await openPki(stateDir),
      clock,
      progress,
      onProcesses: () => noteProcesses(),
      envoy,
      mysql,
      templateDir: await template,
      secrets: await ensureSecrets(stateDir, {
        user: demoUser,
        policy: parseYaml(readFileSync(policyFile, 'utf8')),
      }),
      publicCa: state.publicCa,
      gateways,
      sites,
      targets,
      security,
      compileCache: join(cacheDirOf(parts), 'node-compile-cache'),
      durability: options.durability ?? 'full',
      taskModules: (options.taskModules ?? []).map((file) => resolve(file)),
      ...(options.launch && { launch: options.launch }),
      ...(options.telemetry && { telemetry: options.telemetry }),
    };
    const running = new RunningMesh(fixed, shape);
    mesh = running;
    const noteShape = (): void => {
      const places =
        options.meshFile === undefined ? kept.appliedPlaces : { meshFile: resolve(options.meshFile) };
      const { meshFile, patchesDir, draining, master, ...rest } = state;
      state = rest;
      save({
        ...podsIn(running.topology),
        draining: [...running.draining],
        ...(options.telemetry && { telemetry: options.telemetry }),
        ...defined(places),
      });
    };
    await running.prepare();
    checkInotify(running.sidecars);
    kept.release();
    noteShape();
    progress(`starting ${topology.pods.length} pods, each with its sidecar`);
    for (const pod of topology.pods) running.start(pod);
    const waitUp = (timeoutMs = startMs): Promise<void> =>
      waitUntilUp({
        topology: running.topology,
        publicCa: state.publicCa,
        progress,
        signal: options.signal ?? new AbortController().signal,
        timeoutMs,
      });
    await waitUp();
    const every = (ms: number, what: string, chore: () => void | Promise<void>): void => {
      const failed = (error: unknown): void => progress(`${what} failed: ${String(error)}`);
      const run = async (): Promise<void> => chore();
      chores.push(clock.setRepeating(ms, () => void run().catch(failed)));
    };
    every(options.rotateEveryMs ?? certificateCheckMs, 'renewing certificates', () =>
      running.renewCertificates(options.rotateEveryMs !== undefined),
    );
    const names = (): string[] => running.topology.pods.map((pod) => pod.name);
    const guard = new Watchdog({
      pods: () => podsOf(running.topology, 'gateway'),
      running: () => running.running,
      ask: (pod) => isServing(running.topology, pod),
      progress,
      onMissed: noteProcesses,
    });
    watchdog = guard;
    every(watchdogMs, 'looking for processes that hang', () => guard.look());
    every(logCheckMs, 'keeping log files within bounds', () => limitLogs(running.topology, names()));
    const changes = changesOf({ mesh: running, kept, changing, place, traced, onShape: noteShape });
    closeControl = await serveControl(runDir, changes);
    save({ state: 'up' });
    const isFetched = fetched(envoy, mysql);
    return handle(running, { state: () => state, changes, waitUp, stop, fetched: isFetched });
  } catch (error) {
    await stop();
    throw error;
  }
}

const asHost = ({ name, address, netns }: SlaveSite['hosts'][number]): Host => ({
  name,
  address,
  ...(netns !== undefined && { netns }),
});

/** Without fields that are undefined. */
const defined = <T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };

const podsIn = (topology: Topology): Pick<RunState, 'pods' | 'edgeUrls' | 'master'> => ({
  ...(topology.master !== undefined && { master: topology.master }),
  edgeUrls: edgeUrlsOf(topology),
  pods: topology.pods.map((pod) => ({ ...pod, ports: { ...pod.ports } })) as RunState['pods'],
});

const fetched = (envoy: EnvoyPart, mysql: MysqlPart): boolean =>
  envoy.source === 'fetched' || mysql.source === 'fetched';

function handle(
  running: RunningMesh,
  own: {
    state: () => RunState;
    changes: Changes;
    fetched: boolean;
    waitUp: Mesh['waitUp'];
    stop: Mesh['stop'];
  },
): Mesh {
  const processes = (): NamedProcess[] => livingProcesses(own.state());
  const { publicCa, secrets } = running.parts;
  let stopped: Promise<void> | undefined;
  return {
    ...own.changes,
    stateDir: running.topology.stateDir,
    get topology() {
      return running.topology;
    },
    get edgeUrls() {
      return edgeUrlsOf(running.topology);
    },
    publicCa,
    fetched: own.fetched,
    demo: { user: demoUser.name, passwordFile: secrets.demoPassword },
    processes,
    pssMib: () => pssMib([process.pid, ...processes().map(({ identity }) => identity.pid)]),
    kill: (pod, part, signal) => {
      if (part !== 'mysqld') return running.running.get(`${pod} ${part}`)?.signal(signal) ?? false;
      const mysqld = processes().find(({ name }) => name === `${pod} mysqld`);
      return mysqld !== undefined && process.kill(mysqld.identity.pid, signal);
    },
    waitUp: own.waitUp,
    stop: () => {
      stopped ??= own.stop();
      return stopped;
    },
  };
}
