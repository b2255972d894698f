import { SallyportError } from '#core/errors/error.ts';
import type { Policy } from '#core/policy/policy.ts';

export interface ReachableGroup {
  readonly name: string;
  /** Names of its HTTP targets. */
  readonly targets: readonly string[];
}

/** A resource behind gateways names a group that this mesh has, and a target of it. @throws POLICY_INVALID */
export function assertReachable(policy: Policy, groups: readonly ReachableGroup[]): void {
  for (const { name, backend, gatewayGroup } of policy.resources) {
    if (gatewayGroup === undefined) continue;
    const group = groups.find((each) => each.name === gatewayGroup);
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
