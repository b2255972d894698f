import type { RunningMesh } from '../running-mesh.ts';
import type { Change } from './one-change.ts';

export interface RotateOptions {
  /** New roots too, in three steps: trust, use, drop. */
  readonly roots?: boolean;
}

/** Milliseconds for mysqlds to have loaded what was written; their agents look every second. */
const reloadMs = 3000;

/**
 * Issues every certificate anew and hands it out; connections stay, new ones use it. With `roots` the mesh's
 * authority is replaced, too: between the steps everybody has what the last one gave.
 * @throws CONFIG_REJECTED; the reason of the signal, between two steps: the next rotation goes on
 */
export async function rotateCertificates(
  mesh: RunningMesh,
  options: RotateOptions,
  { progress, signal }: Change,
): Promise<void> {
  if (options.roots !== true) {
    await mesh.renewCertificates(true);
    progress('every pod has a new certificate');
    return;
  }
  const { mesh: roots } = mesh.parts.pki;
  const step = async (what: string, take: () => Promise<void>): Promise<void> => {
    signal.throwIfAborted();
    await take();
    await mesh.renewCertificates();
    await mesh.parts.clock.sleep(reloadMs);
    progress(what);
  };
  await step('the new root is trusted beside the old one', () => roots.addRoot());
  await step('the new root signs', () => roots.useNewRoot());
  await step('the old root is trusted no more', () => roots.dropOldRoots());
}
