import { existsSync, readdirSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { dataDir } from '#compose/topology/paths.ts';
import { groupOf } from '#compose/topology/query.ts';
import { SallyportError } from '#core/errors/error.ts';
import { gtidOf } from '#services/db-agent/backup/prove.ts';
import { withThrowaway } from '#services/db-agent/backup/throwaway.ts';
import { difference, formatGtidSet, parseGtidSet } from '#services/db-agent/gtid.ts';
import { issueCertificates } from '../certificates.ts';
import { statusOf } from '../ready.ts';
import type { RunningMesh } from '../running-mesh.ts';
import type { KeptSettings } from '../settings.ts';
import type { Change } from './one-change.ts';
import { restartAgents, type SiteDeps } from './promote-site.ts';
import { waitUntilServes } from './restart.ts';

/** What a database node of the site had. */
export interface Superseded {
  readonly pod: string;
  /** Where it lies now. */
  readonly aside: string;
  /** Transactions that the group which has taken over does not have; undefined: its data could not be read. */
  readonly only: string | undefined;
}

export interface RejoinedSite {
  readonly started: readonly string[];
  readonly superseded: readonly Superseded[];
}

/**
 * The site that was superseded comes back as slave: what its database nodes had is put aside, and one of them becomes a
 * replica of the group that has taken over.
 * @throws CHANGE_REFUSED when no site is away; START_FAILED when a pod does not serve: it is started again and again
 */
export async function rejoinSite(
  mesh: RunningMesh,
  { kept, place, onShape }: SiteDeps & { readonly kept: Pick<KeptSettings, 'promoted'> },
  change: Change,
): Promise<RejoinedSite> {
  const { promoted } = kept;
  if (promoted?.alone !== true) {
    throw new SallyportError('CHANGE_REFUSED', {
      message: 'no site is away that could rejoin',
      hint: '`sallyport site status` shows both sites',
    });
  }
  change.signal.throwIfAborted();
  const before = mesh.topology;
  const superseded = await putAside(mesh, change);
  kept.keepPromoted({ ...promoted, alone: false });
  const after = await place(kept.sizes, before);
  const added = after.pods.filter((pod) => !before.pods.some(({ name }) => name === pod.name));
  await issueCertificates(mesh.parts.pki, after);
  await mesh.reshape({ ...mesh.shape, topology: after });
  onShape();
  for (const pod of added) mesh.start(pod);
  mesh.configureProcesses();
  change.progress(`starting ${added.map(({ name }) => name).join(', ')}`);
  await Promise.all(added.map((pod) => waitUntilServes(mesh, pod)));
  // From now on they ask whether it has taken over.
  await restartAgents(mesh, groupOf(after));
  return { started: added.map(({ name }) => name), superseded };
}

/** The data of every database node that is not of the group, under another name beside where they lay. */
async function putAside(mesh: RunningMesh, { progress }: Change): Promise<Superseded[]> {
  const { topology, parts } = mesh;
  const members = groupOf(topology);
  const stamp = new Date(parts.clock.now()).toISOString().replace(/[:.-]/g, '');
  const [first] = members;
  const theirs = parseGtidSet(first === undefined ? '' : (await statusOf(topology, first)).gtidExecuted);
  const found: Superseded[] = [];
  for (const pod of readdirSync(join(topology.stateDir, 'pods'))) {
    const data = dataDir(topology, pod);
    if (!/^db-/.test(pod) || members.some(({ name }) => name === pod) || !existsSync(data)) continue;
    const aside = `${data}.superseded-${stamp}`;
    let only: string | undefined;
    try {
      only = formatGtidSet(difference(parseGtidSet(await withThrowaway(parts.mysql, data, gtidOf)), theirs));
    } catch (error) {
      progress(`the data of ${pod} cannot be read: ${SallyportError.from(error).message}`);
    }
    await rename(data, aside);
    progress(
      `${pod}: had ${only === '' ? 'nothing of its own' : (only ?? 'nobody knows what')}; its data lie in ${aside}`,
    );
    found.push({ pod, aside, only });
  }
  return found;
}
