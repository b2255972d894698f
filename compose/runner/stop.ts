import { request } from 'node:http';
import { type Folders, socketPath } from '#compose/topology/paths.ts';
import { end, mysqldOf } from './orphans.ts';
import type { RunState } from './run-file.ts';
import type { Supervised } from './supervised.ts';

/** Tiers from the outside in: whoever is called stops after its callers. */
const order = [
  ['edge'],
  ['proxy', 'gateway', 'worker', 'service'],
  ['backend'],
  ['security'],
  ['db'],
] as const;

/**
 * Milliseconds that a process of the role may take when all stops, and when it stops alone: then what it
 * holds is finished (services/proxy/config.ts, services/gateway/config.ts, services/security/config.ts), and a primary hands its role over.
 */
const graceMs: Readonly<Record<string, readonly [together: number, alone: number]>> = {
  proxy: [8000, 20_000],
  gateway: [4000, 20_000],
  security: [8000, 25_000],
  worker: [6000, 8000],
  db: [20_000, 50_000],
};

/**
 * Stops a mesh: tier by tier, each process before the sidecar that it needs to say goodbye. Agents are told
 * that all goes down, so that nobody hands the role of primary over.
 */
export async function stopInOrder(
  running: ReadonlyMap<string, Supervised>,
  mesh: Pick<RunState, 'runDir' | 'pods'>,
  progress: (line: string) => void,
): Promise<void> {
  for (const tier of order) {
    const roles: readonly string[] = tier;
    const pods = mesh.pods.filter((pod) => roles.includes(pod.role));
    if (pods.length === 0) continue;
    progress(`stopping ${pods.map((pod) => pod.name).join(', ')}`);
    const folders = { stateDir: '', runDir: mesh.runDir };
    await Promise.all(pods.map((pod) => stopPod(running, folders, pod, 'together')));
  }
}

/** Stops one pod's process and then its sidecar; `between` the two comes what is to happen there. */
export async function stopPod(
  running: ReadonlyMap<string, Supervised>,
  folders: Folders,
  pod: Pick<RunState['pods'][number], 'name' | 'role'>,
  how: 'together' | 'alone',
  between?: () => Promise<void>,
): Promise<void> {
  const agent = socketPath(folders, pod.name, 'agent');
  const [together, alone] = graceMs[pod.role] ?? [3000, 6000];
  const process = running.get(`${pod.name} process`);
  const ask = (): Promise<void> | undefined =>
    pod.role === 'db' && process ? stopAgent(agent, process, how === 'alone') : undefined;
  await process?.stop(how === 'alone' ? alone : together, pod.role === 'db' ? ask : undefined);
  const mysqld = pod.role === 'db' ? mysqldOf(folders.runDir, pod.name) : undefined;
  // Left by an agent that had to be killed before it had ended it.
  if (mysqld !== undefined) await end([{ name: `${pod.name} mysqld`, identity: mysqld }], 'SIGTERM');
  await between?.();
  await running.get(`${pod.name} sidecar`)?.stop(3000);
}

/** Asks an agent to stop; one that cannot be asked is told by signal. */
function stopAgent(agentSocket: string, agent: Supervised, handover: boolean): Promise<void> {
  return new Promise((resolve) => {
    const bySignal = (): void => {
      agent.signal('SIGTERM');
      resolve();
    };
    const call = request(
      { socketPath: agentSocket, path: '/stop', method: 'POST', timeout: 2000 },
      (response) => {
        response.resume();
        if (response.statusCode === 202) resolve();
        else bySignal();
      },
    );
    call.on('timeout', () => call.destroy(new Error('the agent does not answer')));
    call.on('error', bySignal);
    call.end(JSON.stringify({ handover }));
  });
}
