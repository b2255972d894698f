import type { CommandContext } from '../command.ts';
import type { Outcome } from '../report.ts';
import { table } from '../table.ts';
import { lagGoalMs, lookAtSites } from './look.ts';

/** `sallyport site status` */
export async function runSiteStatus({ stateDir, report }: CommandContext): Promise<Outcome> {
  const { sites, master, other, members, primary, era, replicas } = await lookAtSites(stateDir);
  const rows = sites.map(({ name, role, pods }) => [name, role, String(pods)]);
  for (const line of table(['site', 'role', 'pods'], rows)) report.say(line);
  report.say('');
  report.say(`${master}: ${members.length} members of the group, primary ${primary ?? 'none'}`);
  if (era > 0) report.say(`era ${era} began with the last promotion`);
  for (const { pod, follows, source, waitingFor, error } of replicas)
    report.say(
      `${pod} at ${other} ${follows ? `follows ${source}` : `does not follow (${waitingFor || error || 'starting'})`}`,
    );
  const [best] = replicas;
  const lagMs = best?.lagMs ?? undefined;
  const ok = best?.follows === true && lagMs !== undefined && lagMs <= lagGoalMs;
  if (lagMs === undefined) report.say(`nobody at ${other} has the data of ${master}`);
  else report.say(`with ${master} may be lost what was committed in the last ${(lagMs / 1000).toFixed(1)} s`);
  return {
    ok,
    figures: [
      { name: 'replicas', value: replicas.length, unit: 'nodes', goal: '1', ok: replicas.length > 0 },
      ...(lagMs === undefined
        ? []
        : [{ name: 'lag', value: lagMs, unit: 'ms', goal: `<= ${lagGoalMs}`, ok: lagMs <= lagGoalMs }]),
    ],
    items: { sites, members, primary: primary ?? null, era, replicas },
  };
}
