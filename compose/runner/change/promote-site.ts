import { join } from 'node:path';
import { secretsDir, socketPath } from '#compose/topology/paths.ts';
import { groupOf, podsBeside, replicasOf } from '#compose/topology/query.ts';
import type { Pod, Topology } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { replaceFile } from '#kernel/config/state-file.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { Promotion } from '#services/db-agent/promotion.ts';
import { orderNode } from '#services/db-agent/recovery.ts';
import { issueCertificates } from '../certificates.ts';
import { writeProcessConfig } from '../programs.ts';
import { isOnline, statusOf } from '../ready.ts';
import type { RunningMesh } from '../running-mesh.ts';
import type { KeptSettings, Sizes } from '../settings.ts';
import { stopPod } from '../stop.ts';
import type { Change } from './one-change.ts';
import { waitUntilServes } from './restart.ts';

export interface PromotedSite {
  readonly site: string;
  readonly era: number;
  /** From the order until the site let calls through again. */
  readonly servedAfterMs: number;
  /** Pods of the other site, which were stopped. */
  readonly stopped: readonly string[];
}

export interface SiteDeps {
  readonly kept: Pick<KeptSettings, 'sizes' | 'keepPromoted'>;
  /** Makes the topology of the sizes, and of what was kept. */
  readonly place: (sizes: Sizes, running: Topology) => Promise<Topology>;
  /** The shape is another one: it is to be noted. */
  readonly onShape: () => void;
}

/** Milliseconds for a replica to apply what it has and to form a group, and for the other nodes to join it. */
const takeOverMs = 150_000;
const joinMs = 180_000;

/**
 * The slave site becomes master. Its replica takes over, by which whoever is of the old group serves nobody any more
 * (services/db-agent/promotion.ts); a security tier is started beside it, and the other site's pods end. Once the replica
 * has been told there is no way back; whatever cut it off, promoting again goes on from there.
 * @throws SITE_SINGLE; UNAVAILABLE with the replica's words; DEADLINE, START_FAILED
 */
export async function promoteSite(mesh: RunningMesh, deps: SiteDeps, change: Change): Promise<PromotedSite> {
  const { clock, pki, progress } = { ...mesh.parts, progress: change.progress };
  const { kept, place, onShape } = deps;
  const before = mesh.topology;
  const [replica] = replicasOf(before);
  if (replica === undefined) {
    throw new SallyportError('SITE_SINGLE', {
      message: 'there is no replica that could take over',
      hint: '`sallyport site status` shows both sites; `sallyport site rejoin` brings one back that was superseded',
    });
  }
  change.signal.throwIfAborted();
  const begun = clock.monotonic();
  const { to, era } = await takeOver(mesh, replica, change);
  progress(`${replica.name} is primary, in era ${era}`);
  kept.keepPromoted({ master: replica.site, alone: true });
  replaceFile(join(secretsDir(before), 'group-name'), `${to}\n`, { flush: true });
  mesh.adoptGroup(to);

  const after = await place(kept.sizes, before);
  await issueCertificates(pki, after);
  const leaving = before.pods.filter((pod) => !after.pods.some(({ name }) => name === pod.name));
  await mesh.reshape({ ...mesh.shape, topology: after });
  onShape();
  const added = after.pods.filter((pod) => !before.pods.some(({ name }) => name === pod.name));
  for (const pod of added) mesh.start(pod);
  mesh.configureProcesses();
  progress(`starting ${added.map(({ name }) => name).join(', ')}`);
  const serving = [...podsBeside(after, 'security', replica), ...podsBeside(after, 'edge', replica)];
  await Promise.all(serving.map((pod) => waitUntilServes(mesh, pod)));
  const servedAfterMs = Math.round(clock.monotonic() - begun);
  progress(`${replica.site ?? 'the first site'} serves`);

  await Promise.all(leaving.map((pod) => stopPod(mesh.running, before, pod, 'together')));
  for (const { name } of leaving) mesh.forget(name);
  await complete(mesh, replica, change);
  onShape();
  return { site: replica.site ?? '', era, servedAfterMs, stopped: leaving.map(({ name }) => name) };
}

async function takeOver(
  mesh: RunningMesh,
  { name }: Pod,
  { progress }: Change,
): Promise<Promotion & { readonly era: number }> {
  const { topology, parts } = mesh;
  const agent = { socketPath: socketPath(topology, name, 'agent'), host: 'agent' };
  const { groupName } = parts.secrets;
  const own = async (): Promise<Promotion | undefined> =>
    (await statusOf(topology, { name })).promotions.find(
      ({ pod, from, to }) => pod === name && (from === groupName || to === groupName),
    );
  if ((await own()) === undefined) {
    progress(`${name} takes over`);
    await orderNode({ pod: name, agent }, '/promote');
  }
  return waitFor(
    async () => {
      const { state, role } = await statusOf(topology, { name });
      const promotion = await own();
      if (promotion?.era === undefined || state !== 'ONLINE' || role !== 'PRIMARY') return undefined;
      return { ...promotion, era: promotion.era };
    },
    { timeoutMs: takeOverMs, everyMs: 200, what: `${name} to take over`, clock: parts.clock },
  );
}

/** The other nodes of the group join by themselves; then the first one is told of them, its mysqld going on meanwhile. */
async function complete(mesh: RunningMesh, first: Pod, { progress }: Change): Promise<void> {
  const { topology, parts } = mesh;
  const nodes = groupOf(topology);
  const others = nodes.filter(({ name }) => name !== first.name);
  const online = async (): Promise<boolean> =>
    (await Promise.all(others.map((pod) => isOnline(topology, pod)))).every(Boolean);
  await waitFor(online, {
    ...{ timeoutMs: joinMs, everyMs: 500, clock: parts.clock },
    what: `${others.map(({ name }) => name).join(', ')} to join the group`,
  });
  await restartAgents(mesh, [first]);
  progress(`the database group is complete: ${nodes.map(({ name }) => name).join(', ')}`);
}

/** Gives agents the configuration of now, one after the other; their mysqlds go on meanwhile. */
export async function restartAgents(mesh: RunningMesh, nodes: readonly Pod[]): Promise<void> {
  const { clock } = mesh.parts;
  for (const node of nodes) {
    writeProcessConfig(mesh.context, node);
    const agent = mesh.running.get(`${node.name} process`);
    const before = agent?.identity?.pid;
    agent?.signal('SIGKILL');
    await waitFor(async () => agent?.identity?.pid !== before && (await isOnline(mesh.topology, node)), {
      timeoutMs: joinMs,
      everyMs: 500,
      clock,
      what: `the agent of ${node.name} to be back`,
    });
  }
}
