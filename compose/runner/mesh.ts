import { mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { type EnvoyPart, findEnvoy } from '#compose/parts/envoy.ts';
import { withLock } from '#compose/parts/lock.ts';
import { findMysql, type MysqlPart } from '#compose/parts/mysql.ts';
import { cacheDirOf, type PartsOptions } from '#compose/parts/options.ts';
import { mysqlTemplate } from '#compose/parts/template.ts';
import { embeddedTopology } from '#compose/topology/embedded.ts';
import { podRunDir, runDirOf } from '#compose/topology/paths.ts';
import { podsOf, portOf } from '#compose/topology/query.ts';
import type { Topology } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { renderMesh } from '#envoy/build/render.ts';
import { loadMesh, loadPatches } from '#envoy/model/load.ts';
import { isAlive, startTimeOf } from '#kernel/lifecycle/process-identity.ts';
import { openPki } from '#kernel/pki/pki.ts';
import type { Clock, Timer } from '#kernel/time/clock.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { renewCertificates } from './certificates.ts';
import { type Host, type Hosts, openHosts } from './hosts.ts';
import { checkInotify } from './inotify.ts';
import { limitLogs } from './log-limit.ts';
import { pssMib } from './memory.ts';
import { end, endOrphans, livingProcesses, type NamedProcess, removeRunDir } from './orphans.ts';
import { ensureOwnFolder } from './own-folder.ts';
import { claimPorts, type WantedPort } from './ports.ts';
import { type ProgramContext, processProgram, sidecarProgram } from './programs.ts';
import { waitUntilUp } from './ready.ts';
import { type RunState, readRunState, writeRunState } from './run-file.ts';
import { ensureSecrets } from './secrets.ts';
import { stopInOrder } from './stop.ts';
import { Supervised } from './supervised.ts';
import { type TelemetryTarget, withTelemetry } from './telemetry.ts';

export interface MeshOptions {
  /** Where everything is kept. */
  readonly stateDir: string;
  readonly env: NodeJS.ProcessEnv;
  /** What happens, a line each. */
  readonly progress: (line: string) => void;
  /** Gives the start up. */
  readonly signal?: AbortSignal;
  /** Pods of each tier; defaults 3, 3, 2, 3, 0, 1. A service pod is a sidecar for a process of somebody else's. */
  readonly sizes?: {
    readonly security?: number;
    readonly proxies?: number;
    readonly edges?: number;
    readonly db?: number;
    readonly services?: number;
    /** Pods of each backend. */
    readonly backendReplicas?: number;
  };
  /**
   * Where pods live: pod n of a tier on host n mod length. Default: three hosts that share 127.0.0.1. Those
   * with a network namespace of their own can be cut off and lost as machines are.
   */
  readonly hosts?: readonly Host[];
  /** A mesh.yaml that names what differs from the shipped one. */
  readonly meshFile?: string;
  /** `full` (default): every commit is on disk. `relaxed`: survives killed processes, not lost power. */
  readonly durability?: 'full' | 'relaxed';
  /** Where processes and sidecars send traces, and processes figures too; without it nowhere. */
  readonly telemetry?: TelemetryTarget;
  readonly cacheDir?: string;
  readonly clock?: Clock;
}

/** What of a pod a signal can be sent to. */
export type PodPart = 'process' | 'sidecar' | 'mysqld';

/** A mesh that runs on this machine, owned by this process. */
export interface Mesh {
  readonly stateDir: string;
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

/**
 * Brings the whole mesh up on this machine and resolves when it serves.
 * @throws MESH_RUNNING, START_FAILED, PartsError, or the reason of `signal`; then nothing is left running
 */
export async function startMesh(options: MeshOptions): Promise<Mesh> {
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
  const stateDir = realpathSync(options.stateDir);
  const parts: PartsOptions = {
    env: options.env,
    progress: options.progress,
    ...(options.cacheDir !== undefined && { cacheDir: options.cacheDir }),
    ...(options.signal && { signal: options.signal }),
  };
  const uid = userInfo().uid;
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

  const running = new Map<string, Supervised>();
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
  const living = (): NamedProcess[] =>
    [...running.values()].flatMap(({ spec, identity }) =>
      identity === undefined ? [] : [{ name: spec.name, identity }],
    );
  const chores: Timer[] = [];
  const stop = async (): Promise<void> => {
    note({ state: 'stopping' });
    for (const chore of chores) chore.cancel();
    const before = livingProcesses(state);
    await stopInOrder(running, { runDir, pods: state.pods }, options.progress);
    // Whatever an agent could not end, such as a mysqld that hangs.
    await end(
      before.filter(({ identity }) => isAlive(identity)),
      'SIGTERM',
    );
    note({ state: 'stopped', processes: [] });
    removeRunDir(state);
  };

  try {
    const { progress } = options;
    const [envoy, mysql] = await Promise.all([findEnvoy(parts), findMysql(parts)]);
    const template = mysqlTemplate(mysql, parts);
    // Looked at below, after what can be done meanwhile.
    template.catch(() => undefined);
    progress(`Envoy ${envoy.version} (${envoy.source}), MySQL ${mysql.version} (${mysql.source})`);
    const hosts = await openHosts(options.hosts, options.env);
    const topology = await placePods(options, hosts, { stateDir, runDir }, parts, uid);
    const pki = await openPki(stateDir);
    const edgeUrls = podsOf(topology, 'edge').map((pod) => `https://${pod.address}:${portOf(pod, 'public')}`);
    const secrets = await ensureSecrets(stateDir, {
      user: demoUser,
      policy: parseYaml(readFileSync(policyFile, 'utf8')),
    });
    const model = withTelemetry(loadMesh(options.meshFile), options.telemetry);
    for (const pod of topology.pods)
      mkdirSync(podRunDir(topology, pod.name), { recursive: true, mode: 0o700 });
    const sidecars = renderMesh(model, topology, { patches: loadPatches() });
    await renewCertificates(pki, topology, sidecars);
    checkInotify(sidecars);
    save({
      edgeUrls,
      pods: topology.pods.map((pod) => ({ ...pod, ports: { ...pod.ports } })) as RunState['pods'],
      ...(options.meshFile !== undefined && { meshFile: resolve(options.meshFile) }),
      ...(options.telemetry && { telemetry: options.telemetry }),
    });
    const context: ProgramContext = {
      topology,
      hosts,
      model,
      envoy,
      mysql,
      templateDir: await template,
      secrets,
      edgeUrls,
      publicCa: state.publicCa,
      compileCache: join(cacheDirOf(parts), 'node-compile-cache'),
      durability: options.durability ?? 'full',
      ...(options.telemetry && { telemetry: options.telemetry }),
    };
    progress(`starting ${topology.pods.length} pods, each with its sidecar`);
    for (const pod of topology.pods) {
      for (const spec of [processProgram(context, pod), sidecarProgram(context, pod)]) {
        if (spec === undefined) continue;
        const supervised = new Supervised(spec, {
          clock: options.clock ?? systemClock,
          onChange: () => note({ processes: living() }),
          onExit: ({ name }, how, restartMs) =>
            progress(`${name} ended (${how}), starting it again in ${(restartMs ?? 0) / 1000} s`),
        });
        running.set(spec.name, supervised);
        supervised.start();
      }
    }
    const waitUp = (timeoutMs = startMs): Promise<void> =>
      waitUntilUp({
        topology,
        publicCa: state.publicCa,
        progress,
        signal: options.signal ?? new AbortController().signal,
        timeoutMs,
      });
    await waitUp();
    const every = (ms: number, what: string, chore: () => void | Promise<void>): void => {
      const failed = (error: unknown): void => progress(`${what} failed: ${String(error)}`);
      const run = async (): Promise<void> => chore();
      chores.push((options.clock ?? systemClock).setRepeating(ms, () => void run().catch(failed)));
    };
    const names = topology.pods.map((pod) => pod.name);
    every(certificateCheckMs, 'renewing certificates', () => renewCertificates(pki, topology, sidecars));
    every(logCheckMs, 'keeping log files within bounds', () => limitLogs(topology, names));
    save({ state: 'up' });
    return handle(context, {
      stateDir,
      running,
      state: () => state,
      waitUp,
      stop,
      fetched: fetched(envoy, mysql),
    });
  } catch (error) {
    await stop();
    throw error;
  }
}

const fetched = (envoy: EnvoyPart, mysql: MysqlPart): boolean =>
  envoy.source === 'fetched' || mysql.source === 'fetched';

async function placePods(
  options: MeshOptions,
  hosts: Hosts,
  folders: { stateDir: string; runDir: string },
  parts: PartsOptions,
  uid: number,
): Promise<Topology> {
  const sizes = { ...options.sizes };
  // Drawn twice: once to learn which ports are wanted, and once with them.
  const wanted: WantedPort[] = [];
  const draw = (allocatePort: (pod: string, port: string, address: string) => number): Topology =>
    embeddedTopology({ ...folders, ...sizes, ...(hosts.places && { hosts: hosts.places }), allocatePort });
  draw((pod, port, address) => {
    wanted.push({ of: `${pod} ${port}`, address, elsewhere: hosts.isElsewhere(address) });
    return 1024 + wanted.length;
  });
  const sharedDir = join(tmpdir(), `sallyport-${uid}`);
  const given = await claimPorts(wanted, {
    sharedDir,
    stateDir: folders.stateDir,
    locked: (body) => withLock(join(sharedDir, 'ports.lock'), 'choosing ports', parts, body),
  });
  return draw((pod, port) => given.get(`${pod} ${port}`) ?? 0);
}

function handle(
  { topology, edgeUrls, publicCa, secrets }: ProgramContext,
  own: {
    stateDir: string;
    running: ReadonlyMap<string, Supervised>;
    state: () => RunState;
    fetched: boolean;
    waitUp: Mesh['waitUp'];
    stop: Mesh['stop'];
  },
): Mesh {
  const processes = (): NamedProcess[] => livingProcesses(own.state());
  let stopped: Promise<void> | undefined;
  return {
    stateDir: own.stateDir,
    topology,
    edgeUrls,
    publicCa,
    fetched: own.fetched,
    demo: { user: demoUser.name, passwordFile: secrets.demoPassword },
    processes,
    pssMib: () => pssMib([process.pid, ...processes().map(({ identity }) => identity.pid)]),
    kill: (pod, part, signal) => {
      if (part !== 'mysqld') return own.running.get(`${pod} ${part}`)?.signal(signal) ?? false;
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
