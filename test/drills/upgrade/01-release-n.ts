import type { Step } from '../drill.ts';
import { newestRelease, release, upgradedTiers } from './releases.ts';

export const step: Step = async ({ mesh, signal, note }) => {
  note(`N is ${newestRelease() ?? 'this tree, as there is no release tag'}`);
  if (release.old === undefined || release.root === release.old) return;
  // An earlier seed has brought it to N+1.
  release.root = release.old;
  await mesh.restart({ tiers: upgradedTiers() }, { signal });
};
