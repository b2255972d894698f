/** Two sites, for tests: the sites.yaml, and a policy with a resource that only the slave reaches. */
import type { Host } from '#compose/runner/hosts.ts';
import type { Mesh } from '#compose/runner/mesh.ts';
import { applyPolicy } from './gateway-world.ts';

export const siteNames = { master: 'zurich', slave: 'geneva' } as const;
/** What stands at the slave only. */
export const branchOrigin = 'https://branch.example';

/** The text of a sites.yaml. */
export const sitesWith = (
  slave: {
    hosts?: readonly Host[];
    edges?: number;
    proxies?: number;
    backendPods?: number;
    rideOut?: string;
    replica?: boolean;
  } = {},
): string =>
  JSON.stringify({
    master: { name: siteNames.master },
    slave: { name: siteNames.slave, backends: ['branch'], ...slave },
  });

/** The demo's policy, and the branch for its staff. */
export const openBranch = (
  mesh: Pick<Mesh, 'stateDir'>,
  resource: Record<string, string> = {},
  more: readonly object[] = [],
): Promise<void> =>
  applyPolicy(mesh, ({ resources }) => {
    resources.push({
      ...{ name: 'branch', backend: 'branch', hosts: ['branch.example'], site: siteNames.slave },
      ...{ assertion: { audience: 'branch' }, ...resource },
      rules: [{ name: 'staff', groups: ['staff'] }, ...more],
    });
  });
