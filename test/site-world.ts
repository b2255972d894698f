/** Two sites, for tests: the sites.yaml, and a policy with a resource that only the slave reaches. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Host } from '#compose/runner/hosts.ts';
import type { Mesh } from '#compose/runner/mesh.ts';
import { Policy } from '#gen/sallyport/policy/v1/policy_pb.js';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { askSecurityByConnect } from '#services/cli/operator.ts';

const demoPolicy = new URL('../compose/demo/policy.yaml', import.meta.url);
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
  } = {},
): string =>
  JSON.stringify({
    master: { name: siteNames.master },
    slave: { name: siteNames.slave, backends: ['branch'], ...slave },
  });

/** The demo's policy, and the branch for its staff. */
export async function openBranch(
  mesh: Pick<Mesh, 'stateDir'>,
  resource: Record<string, string> = {},
): Promise<void> {
  const document = parse(readFileSync(demoPolicy, 'utf8')) as { resources: object[] };
  document.resources.push({
    ...{ name: 'branch', backend: 'branch', hosts: ['branch.example'], site: siteNames.slave },
    ...{ assertion: { audience: 'branch' }, ...resource },
    rules: [{ name: 'staff', groups: ['staff'] }],
  });
  const request = { requestKey: randomUUID(), documentJson: JSON.stringify(document) };
  await askSecurityByConnect(runningMesh(mesh.stateDir), Policy, (client) => client.applyPolicy(request));
}
