import { existsSync } from 'node:fs';
import { podConfigFile, socketPath } from '#compose/topology/paths.ts';
import { podsOf } from '#compose/topology/query.ts';
import type { Topology } from '#compose/topology/types.ts';
import { readHostsAndLimits } from '#envoy/admin/hosts.ts';
import { readStats } from '#envoy/admin/stats.ts';
import { analyzeClusters, clusterStats } from '#envoy/analyze/clusters.ts';
import { analyzeKnobs, analyzeTopology } from '#envoy/analyze/knobs.ts';
import { renderMesh } from '#envoy/build/render.ts';
import { checkCertificates } from '#envoy/check/certificates.ts';
import { type Finding, finding } from '#envoy/check/finding.ts';
import { tuningOf } from '#envoy/model/load.ts';
import { diffPod } from '#envoy/write/diff.ts';
import { readConfigFile } from '#kernel/config/load-config.ts';
import { securityConfig } from '#services/security/config.ts';
import type { CommandContext } from '../command.ts';
import type { MeshFacts } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import { findingFigures, showFindings } from './findings-text.ts';
import { drainingOf, observeSidecars, placeText, type SidecarView } from './observe.ts';
import { type Plan, type PlanOptions, planOf } from './plan.ts';

export interface AnalyzeOptions extends PlanOptions {
  readonly strict?: boolean;
}

/** `sallyport mesh analyze` */
export async function runAnalyze(o: AnalyzeOptions, command: CommandContext): Promise<Outcome> {
  const { report, clock } = command;
  const plan = planOf(o, command);
  const { topology, mesh } = plan;
  if (mesh === undefined)
    report.say('No mesh is running: only the knobs and an example topology were looked at.');
  const findings = [
    ...analyzeKnobs(plan.model, topology, leaseMs(topology)),
    ...analyzeTopology(topology),
    ...(mesh === undefined ? [] : await analyzeRunning(plan, mesh, command, o.file !== undefined)),
  ];
  showFindings(report, findings);
  if (findings.length === 0) report.say('Nothing was found.');
  const figures = findingFigures(findings, o.strict === true);
  return {
    ok: figures.every(({ ok }) => ok),
    figures,
    items: {
      file: plan.file,
      running: mesh !== undefined,
      at: new Date(clock.now()).toISOString(),
      items: findings,
    },
  };
}

async function analyzeRunning(
  plan: Plan,
  mesh: MeshFacts,
  { clock }: CommandContext,
  otherFile: boolean,
): Promise<Finding[]> {
  const { topology } = plan;
  const views = await observeSidecars(mesh, topology.pods, clock);
  const versions = new Set(views.flatMap(({ server }) => server?.version ?? []));
  const clusters = await Promise.all(
    views.filter(({ silent }) => silent === undefined).map((view) => clustersOf(plan, view)),
  );
  return [
    ...views.flatMap(analyzeView),
    ...clusters.flat(),
    ...(versions.size > 1
      ? [finding('ENVOY_VERSIONS', '', 'sidecars', `there are ${[...versions].join(' and ')}`)]
      : []),
    ...checkCertificates(topology, topology.pods, clock.now()),
    // With a file of somebody's own, what differs is what was asked for, and `mesh diff` tells it.
    ...(otherFile ? [] : drift(plan, drainingOf(mesh))),
  ];
}

async function clustersOf({ model, topology }: Plan, { pod }: SidecarView): Promise<Finding[]> {
  const admin = socketPath(topology, pod.name, 'admin');
  const [{ hosts, limits }, stats] = await Promise.all([
    readHostsAndLimits(admin),
    readStats(admin, clusterStats),
  ]);
  return analyzeClusters({
    pod: pod.name,
    tuning: tuningOf(model, pod.role),
    hosts,
    limits,
    stats,
    place: (address) => placeText(topology, address),
  });
}

function analyzeView({ pod: { name }, silent, sync, restartNeeded, draining }: SidecarView): Finding[] {
  if (silent !== undefined) return [finding('SIDECAR_SILENT', name, 'sidecar', silent)];
  const found = sync.flatMap(({ state, type, resource, reason, version, wanted }) => {
    const where = type === resource ? type : `${type}/${resource}`;
    if (state === 'NACK') return [finding('CONFIG_NACK', name, where, reason)];
    if (state === 'STALE')
      return [
        finding('CONFIG_STALE', name, where, `it has ${version || 'none'}, on disk is ${wanted || 'none'}`),
      ];
    return [];
  });
  if (restartNeeded)
    found.push(finding('RESTART_NEEDED', name, 'bootstrap', 'the one on disk is newer than the sidecar'));
  if (draining) found.push(finding('POD_DRAINING', name, 'pod', 'it gets no new calls'));
  return found;
}

function drift({ model, topology, patches, file }: Plan, draining: ReadonlySet<string>): Finding[] {
  return renderMesh(model, topology, { patches, draining }).flatMap((rendered) => {
    const places = diffPod(topology, rendered).map(({ type, name }) =>
      type === 'bootstrap' ? type : `${type}/${name}`,
    );
    return places.length === 0
      ? []
      : [finding('CONFIG_DRIFT', rendered.pod, places.join(', '), `it is not what ${file} says`)];
  });
}

/** The longest lease that security pods give, by their configuration. */
function leaseMs(topology: Topology): number {
  const files = podsOf(topology, 'security').map(({ name }) => podConfigFile(topology, name));
  const given = files.filter(existsSync).map((file) => (readConfigFile(file) as { leases?: unknown }).leases);
  const { leases } = securityConfig.shape;
  return Math.max(
    leases.parse({}).durationMs,
    ...given.flatMap((each) => (each === undefined ? [] : leases.parse(each).durationMs)),
  );
}
