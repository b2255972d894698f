import { SallyportError } from '#core/errors/error.ts';
import type { SizeName } from '../settings.ts';

/** Tiers that can be scaled while the mesh runs, and how many pods they may have. */
export const scalable = {
  security: { size: 'security', least: 1, most: 9 },
  proxies: { size: 'proxies', least: 1, most: 9 },
  backends: { size: 'backendReplicas', least: 1, most: 9 },
  workers: { size: 'workers', least: 0, most: 9 },
  services: { size: 'services', least: 0, most: 9 },
} as const satisfies Record<string, { size: SizeName; least: number; most: number }>;
export type ScalableTier = keyof typeof scalable;

/** Which size that is. @throws CHANGE_REFUSED for another tier or a number out of range */
export function checkScale(tier: string, size: number): SizeName {
  if (!Object.hasOwn(scalable, tier)) {
    throw new SallyportError('CHANGE_REFUSED', {
      message: `tier ${JSON.stringify(tier.slice(0, 40))} cannot be scaled while the mesh runs`,
      hint: `these can: ${Object.keys(scalable).join(', ')}; edges and db are chosen at the start, since devices know the one and a majority is counted of the other`,
    });
  }
  const { size: name, least, most } = scalable[tier as ScalableTier];
  if (!Number.isInteger(size) || size < least || size > most) {
    throw new SallyportError('CHANGE_REFUSED', {
      message: `${tier} can have from ${least} to ${most} pods`,
      hint: 'choose a number in that range',
    });
  }
  return name;
}
