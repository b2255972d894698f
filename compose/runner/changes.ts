import { backendClusters, podNamed, podsOfGroup } from '#compose/topology/query.ts';
import type { Topology } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { type AppliedChange, type ApplyOptions, apply, readApplied } from './change/apply.ts';
import type { ChangeOptions, OneChange } from './change/one-change.ts';
import { type PromotedSite, promoteSite } from './change/promote-site.ts';
import { type RejoinedSite, rejoinSite } from './change/rejoin-site.ts';
import { type RestartOptions, restart } from './change/restart.ts';
import { type RotateOptions, rotateCertificates } from './change/rotate-certificates.ts';
import { isRouted, putBack, stayingBeside, takeOut } from './change/rotation.ts';
import { scaled } from './change/scalable.ts';
import { type Scaled, scale } from './change/scale.ts';
import type { RunningMesh } from './running-mesh.ts';
import type { KeptSettings, Sizes, Tuned } from './settings.ts';

/**
 * What changes a mesh while it runs, one change at a time: a second one is refused with CHANGE_UNDER_WAY.
 * Each tells what it does, has bounds, and can be given up by a signal between two of its steps.
 */
export interface Changes {
  /** Restarts pods, one after the other, without a call being lost. Gives their names in that order. */
  restart(what: RestartOptions, options?: ChangeOptions): Promise<readonly string[]>;
  /**
   * Gives `security`, `proxies`, `backends`, `workers`, `services` or a group of gateways (`gw-<group>`) another number
   * of pods, which is kept.
   */
  scale(tier: string, size: number, options?: ChangeOptions): Promise<Scaled>;
  /** Takes a pod out of rotation until {@link undrain}; it goes on with what it holds. */
  drain(pod: string, options?: ChangeOptions): Promise<void>;
  undrain(pod: string, options?: ChangeOptions): Promise<void>;
  /** Gives the mesh another envoy/mesh.yaml and other patches, which are kept. */
  apply(what: ApplyOptions, options?: ChangeOptions): Promise<AppliedChange>;
  /** Issues all certificates anew; with `roots` under a new authority. */
  rotateCertificates(what?: RotateOptions, options?: ChangeOptions): Promise<void>;
  /** The slave site becomes master, in a new era; the other site's pods end. */
  promoteSite(options?: ChangeOptions): Promise<PromotedSite>;
  /** The site that was superseded comes back as slave. */
  rejoinSite(options?: ChangeOptions): Promise<RejoinedSite>;
}

export interface ChangesDeps {
  readonly mesh: RunningMesh;
  readonly kept: KeptSettings;
  readonly changing: OneChange;
  readonly place: (sizes: Sizes, running: Topology) => Promise<Topology>;
  /** Adds where this mesh sends its traces, which no file says. */
  readonly traced: (tuned: Tuned) => Tuned;
  /** Pods have come, gone or been drained, or another configuration is in force. */
  readonly onShape: () => void;
}

export function changesOf({ mesh, kept, changing, place, traced, onShape }: ChangesDeps): Changes {
  return {
    restart: (what, options = {}) =>
      changing.run('pods are restarted', options, (change) => restart(mesh, what, change)),
    scale: (tier, size, options = {}) =>
      changing.run(`${tier.slice(0, 40)} are scaled`, options, async (change) => {
        const sizes = scaled(kept.sizes, tier, size, gatewayGroups(mesh.topology));
        try {
          return await scale(mesh, sizes, place, change);
        } finally {
          // As far as it came.
          kept.keepSizes(sizesNow(mesh.topology, kept.sizes));
          onShape();
        }
      }),
    drain: (name, options = {}) =>
      changing.run(`${name.slice(0, 40)} is drained`, options, async (change) => {
        const pod = podNamed(mesh.topology, name);
        if (!isRouted(pod) || stayingBeside(mesh, pod).length === 0) {
          throw new SallyportError('CHANGE_REFUSED', {
            message: isRouted(pod)
              ? `${name} is the last of its kind that takes calls`
              : `${name} is not given calls by anybody's choice, so it cannot be taken out of rotation`,
            hint: 'drain security, proxy, backend and gateway pods, of which another one stays; restart the others',
          });
        }
        await takeOut(mesh, pod, change, true);
        onShape();
      }),
    undrain: (name, options = {}) =>
      changing.run(`${name.slice(0, 40)} is put back`, options, async (change) => {
        await putBack(mesh, podNamed(mesh.topology, name), change);
        onShape();
      }),
    apply: (what, options = {}) =>
      changing.run('a configuration is applied', options, async (change) => {
        const applied = readApplied(what);
        const outcome = await apply(mesh, what, traced, change);
        if (what.dryRun !== true) {
          kept.keepApplied(applied);
          onShape();
        }
        return outcome;
      }),
    rotateCertificates: (what = {}, options = {}) =>
      changing.run('certificates are rotated', options, (change) => rotateCertificates(mesh, what, change)),
    promoteSite: (options = {}) =>
      changing.run('a site is promoted', options, (change) =>
        promoteSite(mesh, { kept, place, onShape }, change),
      ),
    rejoinSite: (options = {}) =>
      changing.run('a site rejoins', options, (change) => rejoinSite(mesh, { kept, place, onShape }, change)),
  };
}

const gatewayGroups = (topology: Topology): string[] => [
  ...new Set(topology.pods.flatMap(({ gateway }) => (gateway ? [gateway.group] : []))),
];

/** The kept sizes with those that scaling may have changed as they are. */
function sizesNow(topology: Topology, before: Sizes): Sizes {
  // Those of a slave site are what its sites.yaml says.
  const count = (role: string, site?: string): number =>
    topology.pods.filter((pod) => pod.role === role && pod.site === site).length;
  const core = { security: count('security', topology.master), workers: count('worker', topology.master) };
  // The first site may be away.
  if (topology.pods.every((pod) => pod.site !== undefined)) return { ...before, ...core };
  return {
    ...before,
    ...core,
    proxies: count('proxy'),
    backendReplicas: Math.max(1, count('backend') / backendClusters(topology, {}).length),
    services: count('service'),
    gateways: Object.fromEntries(
      gatewayGroups(topology).map((group) => [group, podsOfGroup(topology, group).length]),
    ),
  };
}
