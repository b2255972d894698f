/** The process that loads the mesh; started by ../load-process.ts, ends with it. */
import { setMaxListeners } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { ordersFile } from '#compose/topology/paths.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { handleOf } from '#services/security/session/record.ts';
import { serveBench } from '../../../bench/harness/child.ts';
import { seededRandom } from '../random.ts';
import { type LoadContext, type LoadDevice, machineNow } from './context.ts';
import { cutStreams } from './cut.ts';
import { enrolDevices, openDevices } from './devices.ts';
import { recordInventory } from './inventory.ts';
import { Ledger } from './ledger.ts';
import type { Kind, KindReport, LoadAnswer, LoadAsk, LoadOptions, LoadReport } from './messages.ts';
import { People } from './people.ts';
import { type DrillHistory, Recording } from './recording.ts';
import { slow, startRequests } from './requests.ts';
import { settle } from './settle.ts';
import { startDownloads, startEvents } from './streams.ts';
import { Trail } from './trail.ts';
import { kinds, Normal, Window } from './window.ts';

/** Devices on which people log in anew; none of them carries the steady load. */
const peoplesDevices = 40;
/** The longest deadline of anything that is begun, and some. */
const endMs = 100_000;

serveBench(async (options: LoadOptions) => {
  const mesh = runningMesh(options.stateDir);
  const normal = new Normal();
  const prefix = `drill-${options.seed}-${process.pid}`;
  const trail = new Trail(machineNow);
  const recording = new Recording(options.historyDir, prefix);
  const end = new AbortController();
  // One for each stream.
  setMaxListeners(0, end.signal);
  /** What it takes before the first drill and between two, while these are judged, is not what is normal. */
  const outside = (): Window => {
    const opened = new Window(normal, machineNow, trail, recording.begin());
    opened.settling();
    return opened;
  };
  let window = outside();
  const context: LoadContext = {
    options,
    mesh,
    random: seededRandom(options.seed),
    now: machineNow,
    window: () => window,
    signal: end.signal,
  };
  const enrolled = await enrolDevices(mesh, options.devices + peoplesDevices, trail, recording);
  const devices = await openDevices(enrolled.slice(peoplesDevices));
  const ledger = new Ledger(
    ordersFile({ stateDir: mesh.stateDir, runDir: mesh.state.runDir }, 'intranet'),
    prefix,
  );
  const people = new People(context, enrolled.slice(0, peoplesDevices));
  const requests = startRequests(context, devices, ledger);
  people.start();
  const streams = [
    ...devices.slice(0, options.streams).map((device) => startEvents(context, device)),
    ...devices
      .slice(options.streams, options.streams + options.downloads)
      .map((device) => startDownloads(context, device)),
  ];
  const lag = monitorEventLoopDelay({ resolution: 10 });
  lag.enable();
  let cpu = process.cpuUsage();
  /** What failed after the drill before, or on the way to the first one. */
  let between: readonly string[] = [];

  const next = (): void => {
    window = outside();
    for (const device of devices) recordSession(window.history, device);
    cpu = process.cpuUsage();
    lag.reset();
  };
  const begin = (): void => {
    // Between two drills.
    recording.drop(window.history);
    ledger.leave();
    const { failures, lost, wrong } = window;
    next();
    window.calm(window.begun);
    between = [...failures, ...lost, ...wrong].map((what) => `before it, between two drills: ${what}`);
  };
  const report = async (): Promise<LoadReport> => {
    for (const stream of streams) stream.settle();
    const ended = window;
    const seconds = (machineNow() - ended.begun) / 1000;
    const used = process.cpuUsage(cpu);
    const lagMs = Math.round(lag.max / 1e6);
    ledger.rotate();
    people.rotate();
    next();
    await waitFor(() => ended.open === 0, { timeoutMs: endMs, what: `${ended.open} requests to end` });
    ended.endFaults();
    await recordInventory(context, ended.history);
    const history = recording.end(ended.history, ledger.read(ended));
    await people.check(ended);
    return {
      history,
      kinds: Object.fromEntries(kinds.map((kind) => [kind, ended.report(kind)])) as Record<Kind, KindReport>,
      inFlight: ended.inFlight,
      failures: ended.failures,
      between,
      lost: ended.lost,
      wrong: ended.wrong,
      skipped: ended.skipped,
      cpu: (used.user + used.system) / 1e6 / seconds,
      lagMs,
      seconds,
    };
  };
  return async (ask: LoadAsk): Promise<LoadAnswer> => {
    switch (ask.do) {
      case 'begin':
        begin();
        return undefined;
      case 'settle':
        return settle(context, (ms, signal) => systemClock.sleep(ms, signal));
      case 'broken':
        window.broken(ask.mayRefuseAfterMs);
        return undefined;
      case 'slow':
        for (let n = 0; n < ask.requests; n++) void slow(context, devices, n, ask.ms);
        return undefined;
      case 'cut':
        return cutStreams(context, enrolled.slice(0, peoplesDevices), ask);
      case 'sessions':
        return devices.map(({ device, session }) => ({
          id: session.id,
          routeKey: device.enrolment.routeKey,
        }));
      case 'silence':
        window.history.silence(ask.promise);
        return undefined;
      case 'mended':
        window.mended();
        return undefined;
      case 'end':
        return report();
      case 'close':
        requests.stop();
        people.stop();
        end.abort();
        for (const { device } of [...devices, ...enrolled]) device.close();
        return undefined;
    }
  };
});

/** The session that a device has had since before the drill, and is to have after it. */
function recordSession(history: DrillHistory, { name, device, credentials, session }: LoadDevice): void {
  const { user } = credentials;
  const login = history.invoke({ kind: 'login', client: name, user, enrolment: device.enrolment.routeKey });
  const expiresWall = session.expiresAtMs;
  history.complete(login, { outcome: 'ok', session: handleOf(session.id), expiresWall });
}
