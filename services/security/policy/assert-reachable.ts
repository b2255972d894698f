import { SallyportError } from '#core/errors/error.ts';
import type { Policy } from '#core/policy/policy.ts';

export interface ReachableGroup {
  readonly name: string;
  /** Names of its HTTP targets. */
  readonly targets: readonly string[];
  /** The one site from which it is reached. */
  readonly site?: string | undefined;
}

/** What resources may name. */
export interface Reachable {
  /** Groups of gateways, and what resources can be reached through each. */
  readonly gateways: readonly ReachableGroup[];
  /** Where there are two. */
  readonly sites: readonly { readonly name: string }[];
}

function assertSites(policy: Policy, sites: Reachable['sites']): void {
  const known = new Set(sites.map((each) => each.name));
  const refuse = (where: string, site: string): never => {
    throw new SallyportError('POLICY_INVALID', {
      message: `${where}: this mesh has no site "${site}"`,
      hint: `sites are: ${namesOf([...known])}; \`sallyport up --sites FILE\` gives others`,
    });
  };
  for (const { name, site, rules } of policy.resources) {
    if (site !== undefined && !known.has(site)) refuse(`resource "${name}"`, site);
    for (const rule of rules.all) {
      for (const each of rule.sites ?? []) {
        if (!known.has(each)) refuse(`rule "${rule.name}" of resource "${name}"`, each);
      }
    }
  }
}

/**
 * A resource behind gateways names a group that this mesh has, and a target of it; one that is reached from one site
 * only, a site of it, and no group of the other; a rule for sites, sites of it.
 * @throws POLICY_INVALID
 */
export function assertReachable(policy: Policy, { gateways: groups, sites }: Reachable): void {
  assertSites(policy, sites);
  for (const { name, backend, gatewayGroup, site } of policy.resources) {
    if (gatewayGroup === undefined) continue;
    const group = groups.find((each) => each.name === gatewayGroup);
    if (site !== undefined && group?.site !== undefined && site !== group.site) {
      throw new SallyportError('POLICY_INVALID', {
        message: `resource "${name}" is reached from site "${site}", and gateway group "${gatewayGroup}" from "${group.site}" only`,
        hint: `remove its site, or name a group of ${site}`,
      });
    }
    if (group?.targets.includes(backend)) continue;
    throw new SallyportError('POLICY_INVALID', {
      message:
        group === undefined
          ? `resource "${name}": this mesh has no gateway group "${gatewayGroup}"`
          : `resource "${name}": "${backend}" is no HTTP target of gateway group "${gatewayGroup}"`,
      hint:
        group === undefined
          ? `groups are: ${namesOf(groups.map((each) => each.name))}; \`sallyport up --gateways FILE\` gives others`
          : `targets are: ${namesOf(group.targets)}`,
    });
  }
}

const namesOf = (names: readonly string[]): string => names.slice(0, 20).join(', ') || 'none';
