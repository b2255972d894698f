import { KeptSettings } from '#compose/runner/settings.ts';
import { parseSites } from '#compose/runner/sites.ts';
import { socketPath } from '#compose/topology/paths.ts';
import { groupOf, replicasOf } from '#compose/topology/query.ts';
import { SallyportError } from '#core/errors/error.ts';
import { difference, parseGtidSet, sizeOf } from '#services/db-agent/gtid.ts';
import { askNodes } from '#services/db-agent/recovery.ts';
import { membersOf } from '#services/db-agent/replica/decide-replica.ts';
import type { AgentStatus } from '#services/db-agent/status.ts';
import { runningMesh } from '../mesh/mesh-of-state.ts';

/** Milliseconds that a replica may be behind. */
export const lagGoalMs = 1000;

/** Both sites and the database nodes of both, as their agents tell. @throws MESH_NOT_RUNNING, SITE_SINGLE */
export async function lookAtSites(stateDir: string) {
  const { state } = runningMesh(stateDir);
  const kept = new KeptSettings(stateDir);
  const { master: first, slave: second } = parseSites(kept.sites ?? '');
  if (second === undefined) throw new SallyportError('SITE_SINGLE');
  const at = ({ name }: { readonly name: string }) => ({
    pod: name,
    agent: { socketPath: socketPath({ stateDir, runDir: state.runDir }, name, 'agent'), host: 'agent' },
  });
  const [nodes = [], followers = []] = await Promise.all(
    [groupOf(state), replicasOf(state)].map((of) => askNodes(of.map(at))),
  );
  const members = membersOf(nodes);
  const primary = members.find(({ role }) => role === 'PRIMARY');
  const roleOf = (site: string | undefined): string => {
    if (site === state.master) return 'master';
    return kept.promoted?.alone === true ? 'superseded' : 'slave';
  };
  const site = (name: string, place: string | undefined) => ({
    ...{ name, role: roleOf(place), pods: state.pods.filter((pod) => pod.site === place).length },
  });
  const sites = [site(first.name, undefined), site(second.name, second.name)];
  const named = (role: (given: string) => boolean): string =>
    sites.find((each) => role(each.role))?.name ?? '';
  return {
    sites,
    master: named((role) => role === 'master'),
    other: named((role) => role !== 'master'),
    members: members.map(({ pod }) => pod),
    primary: primary?.pod,
    era: Math.max(0, ...[...nodes, ...followers].flatMap(({ status }) => erasOf(status))),
    replicas: followers.map(({ pod, status }) => replicaOf(pod, status, primary)),
  };
}

const erasOf = (status: AgentStatus | undefined): number[] =>
  (status?.promotions ?? []).flatMap(({ era }) => (era === undefined ? [] : [era]));

const replicaOf = (pod: string, status: AgentStatus | undefined, primary: AgentStatus | undefined) => ({
  pod,
  follows: status?.phase === 'following' && status.replica?.connected === true,
  source: status?.replica?.source ?? '',
  lagMs: status?.replica?.lagMs ?? null,
  // In transactions, of what the primary has said.
  behind:
    primary === undefined || status === undefined
      ? null
      : sizeOf(difference(parseGtidSet(primary.gtidExecuted), parseGtidSet(status.gtidExecuted))),
  gtidExecuted: status?.gtidExecuted ?? '',
  waitingFor: status?.waitingFor ?? (status === undefined ? 'an answer of its agent' : ''),
  error: status?.error ?? '',
});
