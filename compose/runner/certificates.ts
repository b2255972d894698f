import type { Topology } from '#compose/topology/types.ts';
import type { Pki } from '#kernel/pki/pki.ts';

/**
 * Sees to it that every pod, and the operator, has a good certificate and the roots of now; with `force` each gets a
 * new one. Sidecars have it once their configuration is written again, mysqlds look by themselves.
 */
export async function issueCertificates(pki: Pki, topology: Topology, force = false): Promise<void> {
  await issueTo(topology.pods, pki, force);
  await pki.ensureOperator('operator', force);
}

/** The same for some of the pods. */
export async function issueTo(pods: Topology['pods'], pki: Pki, force = false): Promise<void> {
  for (const { name, role, address } of pods) {
    await pki.ensurePod(name, role, { ips: [address], force });
    if (role === 'edge') await pki.ensurePublic(name, { dns: ['localhost'], ips: [address], force });
  }
}
