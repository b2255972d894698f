import { embeddedTopology } from '#compose/topology/embedded.ts';
import { type PortName, podRoles, type Topology } from '#compose/topology/types.ts';

/** Folders in the golden files; a test that boots one puts its own in their place. */
export const goldenFolders = { stateDir: '/sallyport/state', runDir: '/sallyport/run' };

const firstPort: Readonly<Record<PortName, number>> = {
  mesh: 15000,
  mysql: 15100,
  agent: 15200,
  group: 15300,
  public: 15400,
};

/** The fixed mesh of the golden files: one pod of each role and enough others to be seen. */
export function goldenTopology(): Topology {
  const given = new Map<PortName, number>();
  return embeddedTopology({
    ...goldenFolders,
    workers: 1,
    gateways: [{ name: 'hr', pods: 1 }],
    services: 1,
    backends: ['intranet', 'payroll'],
    allocatePort: (_pod, port) => {
      const next = given.get(port) ?? firstPort[port];
      given.set(port, next + 1);
      return next;
    },
  });
}

/** The pod whose files stand for its role: the first one. */
export const goldenPods = podRoles.map((role) => ({
  role,
  pod: goldenTopology().pods.find((pod) => pod.role === role)?.name ?? role,
}));
