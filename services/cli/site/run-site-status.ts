import { KeptSettings } from '#compose/runner/settings.ts';
import { parseSites } from '#compose/runner/sites.ts';
import { socketPath } from '#compose/topology/paths.ts';
import { groupOf, replicasOf } from '#compose/topology/query.ts';
import { SallyportError } from '#core/errors/error.ts';
import { difference, parseGtidSet, sizeOf } from '#services/db-agent/gtid.ts';
import { askNodes } from '#services/db-agent/recovery.ts';
import { membersOf } from '#services/db-agent/replica/decide-replica.ts';
import type { CommandContext } from '../command.ts';
import { runningMesh } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import { table } from '../table.ts';

/** Milliseconds that a replica may be behind. */
const goalMs = 1000;

/** `sallyport site status` */
export async function runSiteStatus({ stateDir, report }: CommandContext): Promise<Outcome> {
  const { pods, state } = runningMesh(stateDir);
  const { master, slave } = parseSites(new KeptSettings(stateDir).sites ?? '');
  if (slave === undefined) throw new SallyportError('SITE_SINGLE');
  const at = ({ name }: { readonly name: string }) => ({
    pod: name,
    agent: { socketPath: socketPath({ stateDir, runDir: state.runDir }, name, 'agent'), host: 'agent' },
  });
  const [nodes, followers] = await Promise.all(
    [groupOf({ pods }), replicasOf({ pods })].map((of) => askNodes(of.map(at))),
  );
  const members = membersOf(nodes ?? []);
  const primary = members.find(({ role }) => role === 'PRIMARY');
  const replicas = (followers ?? []).map(({ pod, status }) => ({
    pod,
    follows: status?.phase === 'following' && status.replica?.connected === true,
    source: status?.replica?.source ?? '',
    lagMs: status?.replica?.lagMs ?? null,
    // Of what the primary has said meanwhile: less than nothing is not behind.
    behind:
      primary === undefined || status === undefined
        ? null
        : sizeOf(difference(parseGtidSet(primary.gtidExecuted), parseGtidSet(status.gtidExecuted))),
    gtidExecuted: status?.gtidExecuted ?? '',
    waitingFor: status?.waitingFor ?? (status === undefined ? 'an answer of its agent' : ''),
    error: status?.error ?? '',
  }));
  const sites = [
    { name: master.name, role: 'master', pods: pods.filter(({ site }) => site === undefined).length },
    { name: slave.name, role: 'slave', pods: pods.filter(({ site }) => site === slave.name).length },
  ];
  for (const line of table(
    ['site', 'role', 'pods'],
    sites.map(({ name, role, pods: count }) => [name, role, String(count)]),
  ))
    report.say(line);
  report.say('');
  report.say(`${master.name}: ${members.length} members of the group, primary ${primary?.pod ?? 'none'}`);
  for (const one of replicas)
    report.say(
      `${one.pod} at ${slave.name} ${one.follows ? `follows ${one.source}` : `does not follow (${one.waitingFor || one.error || 'starting'})`}`,
    );
  const [best] = replicas
    .filter(({ lagMs }) => lagMs !== null)
    .sort((a, b) => (a.lagMs ?? 0) - (b.lagMs ?? 0));
  const ok = best?.follows === true && (best.lagMs ?? goalMs + 1) <= goalMs;
  if (best === undefined) report.say(`nobody at ${slave.name} has the data of the master`);
  else
    report.say(
      `with ${master.name} may be lost what it has committed in the last ${((best.lagMs ?? 0) / 1000).toFixed(1)} s`,
    );
  return {
    ok,
    figures: [
      { name: 'replicas', value: replicas.length, unit: 'nodes', goal: '1', ok: replicas.length > 0 },
      ...(best === undefined
        ? []
        : [{ name: 'lag', value: best.lagMs ?? 0, unit: 'ms', goal: `<= ${goalMs}`, ok }]),
    ],
    items: { sites, members: members.map(({ pod }) => pod), primary: primary?.pod ?? null, replicas },
  };
}
