import type { Pod } from '#compose/topology/types.ts';
import type { RenderedPod } from '../build/render.ts';
import { type Patch, type PatchableType, patchMatches } from '../model/patch.ts';
import type { Finding } from './finding.ts';

/** The finding with the files of the patches that touched what it is about. */
export function withPatches(
  found: Finding,
  pod: Pod,
  rendered: RenderedPod,
  patches: readonly Patch[],
): Finding {
  const [type = '', ...rest] = found.where.split('/');
  const name = rest.join('/');
  const files = patches
    .filter((patch) =>
      touchable(type, name, rendered).some((target) =>
        patchMatches(patch, { ...target, role: pod.role, pod: pod.name }),
      ),
    )
    .map(({ source }) => source);
  return files.length === 0 ? found : { ...found, patches: [...new Set(files)] };
}

/** What stands in a resource, by the names that patches know. Without a name, all resources of the type. */
function touchable(
  type: string,
  name: string,
  { pod, xds }: RenderedPod,
): { type: PatchableType; name: string }[] {
  const names = (list: readonly { name: string }[]) => (name === '' ? list.map((each) => each.name) : [name]);
  const of = (patchable: PatchableType, list: readonly string[]) =>
    list.map((each) => ({ type: patchable, name: each }));
  switch (type) {
    case 'bootstrap':
      return of('Bootstrap', [pod]);
    case 'lds':
      // Route configurations that are not read from files stand in a listener of the same name.
      return [...of('Listener', names(xds.lds)), ...of('RouteConfiguration', names(xds.lds))];
    case 'cds':
      return [...of('Cluster', names(xds.cds)), ...of('ClusterLoadAssignment', names(xds.cds))];
    case 'eds':
      return of('ClusterLoadAssignment', names(xds.eds));
    case 'rds':
      return of('RouteConfiguration', names(xds.rds));
    default:
      return of('Secret', names(xds.sds));
  }
}
