import { SallyportError } from '#core/errors/error.ts';
import type { SizeName, Sizes } from '../settings.ts';

/** Tiers that can be scaled while the mesh runs, and how many pods they may have. */
export const scalable = {
  security: { size: 'security', least: 1, most: 9 },
  proxies: { size: 'proxies', least: 1, most: 9 },
  backends: { size: 'backendReplicas', least: 1, most: 9 },
  workers: { size: 'workers', least: 0, most: 9 },
  services: { size: 'services', least: 0, most: 9 },
} as const satisfies Record<string, { size: SizeName; least: number; most: number }>;
export type ScalableTier = keyof typeof scalable;

/** A group of gateways, named as its pods begin: `gw-hr`. */
const gatewayTier = { least: 1, most: 9 } as const;

/**
 * What the sizes are then to be.
 * @param groups of gateways
 * @throws CHANGE_REFUSED for another tier or a number out of range
 */
export function scaled(sizes: Sizes, tier: string, size: number, groups: readonly string[]): Sizes {
  const group = groups.find((each) => tier === `gw-${each}`);
  if (group !== undefined) {
    assertRange(tier, size, gatewayTier);
    return { ...sizes, gateways: { ...sizes.gateways, [group]: size } };
  }
  if (!Object.hasOwn(scalable, tier)) {
    const gateways = groups.map((each) => `gw-${each}`);
    throw new SallyportError('CHANGE_REFUSED', {
      message: `tier ${JSON.stringify(tier.slice(0, 40))} cannot be scaled while the mesh runs`,
      hint: `these can: ${[...Object.keys(scalable), ...gateways].join(', ')}; edges and db are chosen at the start, since devices know the one and a majority is counted of the other`,
    });
  }
  const { size: name, ...range } = scalable[tier as ScalableTier];
  assertRange(tier, size, range);
  return { ...sizes, [name]: size };
}

function assertRange(tier: string, size: number, { least, most }: { least: number; most: number }): void {
  if (!Number.isInteger(size) || size < least || size > most) {
    throw new SallyportError('CHANGE_REFUSED', {
      message: `${tier} can have from ${least} to ${most} pods`,
      hint: 'choose a number in that range',
    });
  }
}
