import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withLock } from '#compose/parts/lock.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { embeddedTopology } from '#compose/topology/embedded.ts';
import type { Topology } from '#compose/topology/types.ts';
import type { GatewayGroup } from './gateways.ts';
import type { Hosts } from './hosts.ts';
import { claimPorts, type WantedPort } from './ports.ts';
import type { Sizes } from './settings.ts';

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
  gateways: readonly Pick<GatewayGroup, 'name' | 'pods'>[],
  running?: Topology,
): Promise<Topology> {
  // Drawn twice: once to learn which ports are wanted, and once with them.
  const wanted: WantedPort[] = [];
  const draw = (allocatePort: (pod: string, port: string, address: string) => number): Topology =>
    embeddedTopology({
      ...folders,
      ...sizes,
      gateways,
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
  const given = await claimPorts(wanted, {
    sharedDir,
    stateDir: folders.stateDir,
    inUse,
    locked: (body) => withLock(join(sharedDir, 'ports.lock'), 'choosing ports', parts, body),
  });
  return draw((pod, port) => given.get(`${pod} ${port}`) ?? 0);
}
