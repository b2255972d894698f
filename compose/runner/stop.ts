import { request } from 'node:http';
import { socketPath } from '#compose/topology/paths.ts';
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

/** Milliseconds that a process of the tier may take. */
const graceMs: Readonly<Record<string, number>> = { proxy: 8000, security: 8000, db: 20_000 };

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
    await Promise.all(
      pods.map(async (pod) => {
        const agent = socketPath({ stateDir: '', runDir: mesh.runDir }, pod.name, 'agent');
        const grace = graceMs[pod.role] ?? 3000;
        const of = running.get(`${pod.name} process`);
        await of?.stop(grace, pod.role === 'db' ? () => stopAgent(agent, of) : undefined);
        await running.get(`${pod.name} sidecar`)?.stop(3000);
      }),
    );
  }
}

/** Asks an agent to stop without a hand-over; one that cannot be asked is told by signal. */
function stopAgent(agentSocket: string, agent: Supervised): Promise<void> {
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
    call.end(JSON.stringify({ handover: false }));
  });
}
