import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { withLock } from '#compose/parts/lock.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { type EmbeddedOptions, embeddedTopology } from '#compose/topology/embedded.ts';
import type { Topology } from '#compose/topology/types.ts';
import { readStateFile, writeStateFile } from '#kernel/config/state-file.ts';
import type { GatewayGroup } from './gateways.ts';
import type { Hosts } from './hosts.ts';
import { claimPorts, type WantedPort } from './ports.ts';
import type { Sizes } from './settings.ts';
import type { SlaveSite } from './sites.ts';

const portsFile = z.record(z.string(), z.int().min(1024).max(32_767));

/**
 * The topology with those sizes: ports are claimed for it, and pods that are there already keep theirs.
 * @throws START_FAILED when no port is free; CONFIG_INVALID
 */
export async function placePods(
  sizes: Sizes,
  hosts: Hosts,
  folders: { readonly stateDir: string; readonly runDir: string },
  parts: PartsOptions,
  uid: number,
  {
    gateways,
    slave,
    promoted,
  }: {
    gateways: readonly Pick<GatewayGroup, 'name' | 'pods' | 'site'>[];
    slave: SlaveSite | undefined;
    promoted: EmbeddedOptions['promoted'];
  },
  running?: Topology,
): Promise<Topology> {
  // Drawn twice: once to learn which ports are wanted, and once with them.
  const wanted: WantedPort[] = [];
  const draw = (allocatePort: (pod: string, port: string, address: string) => number): Topology =>
    embeddedTopology({
      ...folders,
      ...sizes,
      gateways: gateways.map(({ name, pods, site }) => ({
        ...{ name, site, pods: sizes.gateways?.[name] ?? pods },
      })),
      slave,
      promoted,
      ...(hosts.places && { hosts: hosts.places }),
      allocatePort,
    });
  draw((pod, port, address) => {
    wanted.push({ of: `${pod} ${port}`, address, elsewhere: hosts.isElsewhere(address) });
    return 1024 + wanted.length;
  });
  const sharedDir = join(tmpdir(), `sallyport-${uid}`);
  const inUse = new Set(
    running?.pods.flatMap((pod) => Object.keys(pod.ports).map((port) => `${pod.name} ${port}`)),
  );
  // Devices know edges by their ports: a folder that is restored elsewhere has the same.
  const file = join(folders.stateDir, 'ports.json');
  const about = { what: 'a list of ports', hint: 'remove it: ports are then chosen anew' };
  const hints = readStateFile(file, portsFile, about) ?? {};
  // Devices know the edges of a site that is away, too.
  const keepOthers = promoted?.alone === true;
  const given = await claimPorts(wanted, {
    hints,
    keepOthers,
    sharedDir,
    stateDir: folders.stateDir,
    inUse,
    locked: (body) => withLock(join(sharedDir, 'ports.lock'), 'choosing ports', parts, body),
  });
  writeStateFile(file, { ...(keepOthers && hints), ...Object.fromEntries(given) });
  return draw((pod, port) => given.get(`${pod} ${port}`) ?? 0);
}
