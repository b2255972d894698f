import type { Pod } from '#compose/topology/types.ts';
import type { RunningMesh } from '../running-mesh.ts';
import type { Change } from './one-change.ts';
import { changeListeners } from './rotation.ts';

export interface RotateOptions {
  /** New roots too, in three steps: trust, use, drop. */
  readonly roots?: boolean;
}

/** Milliseconds for mysqlds to have loaded what was written; their agents look every second. */
const reloadMs = 3000;

/**
 * Issues every certificate anew and hands it out; connections stay, new ones use it. With `roots` the mesh's
 * authority is replaced, too: between the steps everybody has what the last one gave. Whom to trust is part of a
 * listener, whose connections end when it changes (docs/adr/0001-fewer-file-watches.md): pods whose callers would
 * lose what is under way are taken out of rotation for that, one of each tier at a time.
 * @throws CONFIG_REJECTED; the reason of the signal, between two steps: the next rotation goes on
 */
export async function rotateCertificates(
  mesh: RunningMesh,
  options: RotateOptions,
  change: Change,
): Promise<void> {
  const { progress, signal } = change;
  if (options.roots !== true) {
    await mesh.renewCertificates(true);
    progress('every pod has a new certificate');
    return;
  }
  const { mesh: roots } = mesh.parts.pki;
  const step = async (what: string, take: () => Promise<void>, trust: boolean): Promise<void> => {
    signal.throwIfAborted();
    await take();
    if (trust) await exchangeTrust(mesh, change);
    await mesh.renewCertificates();
    await mesh.parts.clock.sleep(reloadMs);
    progress(what);
  };
  await step('the new root is trusted beside the old one', () => roots.addRoot(), true);
  await step('the new root signs', () => roots.useNewRoot(), false);
  await step('the old root is trusted no more', () => roots.dropOldRoots(), true);
}

async function exchangeTrust(mesh: RunningMesh, change: Change): Promise<void> {
  const carries = ({ role }: Pod): boolean => role === 'proxy' || role === 'gateway' || role === 'backend';
  // What their callers lose is done again by these: questions to the security tier, statements, health checks.
  await mesh.renewCertificatesOf(mesh.topology.pods.filter((pod) => !carries(pod)));
  for (const wave of oneOfEach(mesh.topology.pods.filter(carries))) {
    change.signal.throwIfAborted();
    change.progress(`${wave.map(({ name }) => name).join(', ')}: roots to trust`);
    await changeListeners(mesh, wave, change, () => mesh.renewCertificatesOf(wave));
  }
}

/** First the first of each tier (of a backend of each cluster), then the second, and so on. */
export function oneOfEach(pods: readonly Pod[]): Pod[][] {
  const waves: Pod[][] = [];
  const seen = new Map<string, number>();
  for (const pod of pods) {
    const tier = pod.backend?.cluster ?? pod.role;
    const at = seen.get(tier) ?? 0;
    seen.set(tier, at + 1);
    const wave = waves[at] ?? [];
    waves[at] = [...wave, pod];
  }
  return waves;
}
