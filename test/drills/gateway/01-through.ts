import { applyPolicy } from '../../gateway-world.ts';
import type { Step } from '../drill.ts';

/** From here on the intranet is reached through gateways; every session has had its one when this is over. */
export const step: Step = async ({ mesh, watch }) => {
  await applyPolicy(mesh, ({ resources }) => {
    for (const resource of resources) resource.gatewayGroup = 'hr';
  });
  await watch(5000);
};
