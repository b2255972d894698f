import type { Step } from '../drill.ts';
import { release, upgradedTiers } from './releases.ts';

export const step: Step = async ({ mesh, signal, broken, mended, note }) => {
  const began = performance.now();
  release.migrations += 1;
  release.root = undefined;
  await broken();
  await mesh.restart({ tiers: upgradedTiers() }, { signal });
  await mended();
  note(`it took ${((performance.now() - began) / 1000).toFixed(1)} s`);
};
