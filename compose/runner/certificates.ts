import type { Topology } from '#compose/topology/types.ts';
import type { RenderedPod } from '#envoy/build/render.ts';
import { writePod } from '#envoy/write/write.ts';
import type { Pki } from '#kernel/pki/pki.ts';

/**
 * Sees to it that every pod, and the operator, has a good certificate, and that the sidecars have it too.
 * They read what is written for them, certificates included. All are written, not only those of pods whose
 * certificate is new: what has not changed is not touched, and what failed the last time is made good.
 */
export async function renewCertificates(
  pki: Pki,
  topology: Topology,
  sidecars: readonly RenderedPod[],
): Promise<void> {
  for (const { name, role, address } of topology.pods) {
    await pki.ensurePod(name, role, { ips: [address] });
    if (role === 'edge') await pki.ensurePublic(name, { dns: ['localhost'], ips: [address] });
  }
  await pki.ensureOperator();
  for (const sidecar of sidecars) await writePod(topology, sidecar);
}
