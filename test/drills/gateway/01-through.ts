import { podNamed } from '#compose/topology/query.ts';
import { applyPolicy } from '../../gateway-world.ts';
import type { Step } from '../drill.ts';
import { intranetOf } from './ground.ts';

/** From here on the intranet is reached through gateways; every session has had its one when this is over. */
export const step: Step = async ({ mesh, settle, victims: [victim] }) => {
  const group = podNamed(mesh.topology, victim?.pod ?? '').gateway?.group ?? 'hr';
  await applyPolicy(mesh, ({ resources }) => {
    for (const resource of resources)
      Object.assign(resource, { gatewayGroup: group, backend: intranetOf[group] });
  });
  await settle('another way to the intranet');
};
