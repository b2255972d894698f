import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startScript } from '../../bench/harness/process.ts';
import { type OwnMesh, ownMesh } from '../mesh.ts';
import { type Network, openNetwork } from '../netns/network.ts';
import { sitesWith } from '../site-world.ts';
import type { Drill } from './drill.ts';
import { findPorcupine } from './history/linear/porcupine.ts';
import type { SilencePromise } from './history/schema.ts';
import type { CutReport, HeldSession, LoadAsk, LoadOptions, LoadReport } from './load/messages.ts';
import type { Settled } from './load/settle.ts';

/** The process that loads a mesh. */
export interface Load {
  readonly pid: number;
  begin(): Promise<void>;
  /** Resolves when it is calm, or does not become so. */
  settle(): Promise<Settled>;
  broken(mayRefuseAfterMs?: number): Promise<void>;
  mended(): Promise<void>;
  /** So many requests are sent at once for a page that takes so long; resolves when they have been sent. */
  slow(requests: number, ms: number): Promise<void>;
  /** Revokes so many sessions that have open streams, at that rate, and tells when the last of each was cut. */
  cut(revocations: number, perSecond: number): Promise<CutReport>;
  /** Puts a promise into the drill's history. */
  silence(promise: SilencePromise): Promise<void>;
  /** Those of the devices. */
  sessions(): Promise<HeldSession[]>;
  /** Ends the drill's time, and tells what it came to once all that began in it has ended. */
  end(): Promise<LoadReport>;
  close(): Promise<void>;
}

/** A mesh under load, on which one drill after the other runs. */
export interface Stand {
  readonly mesh: OwnMesh;
  /** Between its hosts, if they are namespaces. */
  readonly network: Network | undefined;
  readonly load: Load;
  /** That have been run on it. */
  drills: number;
  close(): Promise<void>;
}

export type LoadSize = Omit<LoadOptions, 'stateDir' | 'seed' | 'historyDir'>;

/** To open 200 sessions on a starved machine, and to wait for the last request of a drill and its checks. */
const answerMs = 300_000;

/** Starts a mesh as the drill wants it, and the load on it. */
export async function startStand(
  drill: Pick<Drill, 'mesh' | 'hosts' | 'databaseHosts' | 'slaveHosts' | 'prepare'>,
  size: LoadSize,
  seed: number,
  progress: (line: string) => void,
): Promise<Stand> {
  // Before anything is started: it is built first on a new machine.
  await findPorcupine({ env: process.env, progress });
  progress('starting a mesh');
  const { hosts, slaveHosts = [], databaseHosts = [] } = drill;
  const network = hosts && (await openNetwork([...hosts, ...databaseHosts, ...slaveHosts]));
  const placesOf = (names: readonly string[]) =>
    network?.hosts.filter(({ name }) => names.includes(name)) ?? [];
  const databasePlaces = placesOf(databaseHosts).map((host) => ({ ...host, roles: ['db'] as const }));
  const ground = await drill.prepare?.();
  const historyDir = mkdtempSync(join(tmpdir(), 'sp-drill-'));
  let mesh: OwnMesh | undefined;
  const leave = async (): Promise<void> => {
    try {
      await mesh?.close();
    } finally {
      await network?.close();
      await ground?.close();
      rmSync(historyDir, { recursive: true, force: true });
    }
  };
  try {
    mesh = await ownMesh({
      ...drill.mesh,
      ...(ground && { ...ground.mesh, stateDir: ground.stateDir }),
      ...(hosts && { hosts: [...placesOf(hosts), ...databasePlaces] }),
      ...(slaveHosts.length > 0 && { sites: sitesWith({ hosts: placesOf(slaveHosts) }) }),
      progress: (line) => progress(`  mesh: ${line}`),
    });
    progress(`opening sessions on ${size.devices} devices`);
    const load = await startLoad({ ...size, seed, stateDir: mesh.stateDir, historyDir });
    return {
      mesh,
      network,
      load,
      drills: 0,
      close: async () => {
        await load
          .close()
          .catch((error: unknown) => progress(`the load has not ended well: ${String(error)}`));
        await leave();
      },
    };
  } catch (error) {
    await leave();
    throw error;
  }
}

async function startLoad(options: LoadOptions): Promise<Load> {
  const script = new URL('load/main.ts', import.meta.url).pathname;
  const child = await startScript(
    'the load',
    [process.execPath, '--max-semi-space-size=32', script],
    options,
    { answerMs, ownSession: true },
  );
  const tell = async (ask: LoadAsk): Promise<void> => void (await child.ask(ask));
  return {
    pid: child.pid,
    begin: () => tell({ do: 'begin' }),
    settle: async () => (await child.ask({ do: 'settle' } satisfies LoadAsk)) as Settled,
    broken: (mayRefuseAfterMs) =>
      tell({ do: 'broken', ...(mayRefuseAfterMs !== undefined && { mayRefuseAfterMs }) }),
    slow: (requests, ms) => tell({ do: 'slow', requests, ms }),
    cut: async (revocations, perSecond) =>
      (await child.ask({ do: 'cut', revocations, perSecond } satisfies LoadAsk)) as CutReport,
    sessions: async () => (await child.ask({ do: 'sessions' } satisfies LoadAsk)) as HeldSession[],
    silence: (promise) => tell({ do: 'silence', promise }),
    mended: () => tell({ do: 'mended' }),
    end: async () => (await child.ask({ do: 'end' } satisfies LoadAsk)) as LoadReport,
    close: async () => {
      try {
        await tell({ do: 'close' });
      } finally {
        await child.stop();
      }
    },
  };
}
