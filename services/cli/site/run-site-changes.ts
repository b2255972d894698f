import { z } from 'zod';
import { askRunner } from '#compose/runner/control/client.ts';
import { SallyportError } from '#core/errors/error.ts';
import { confirm } from '../backup/confirm.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { runningMesh } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import { lookAtSites } from './look.ts';

export interface PromoteOptions extends CommonOptions {
  readonly yes?: boolean;
  readonly force?: boolean;
}

const goalMs = 30_000;
const names = z.array(z.string());
const promoted = z.object({ site: z.string(), era: z.number(), servedAfterMs: z.number(), stopped: names });
const rejoined = z.object({
  started: names,
  superseded: z.array(z.object({ pod: z.string(), aside: z.string(), only: z.string().optional() })),
});

/** `sallyport site promote` */
export async function runSitePromote(
  { yes = false, force = false }: PromoteOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { stateDir, report, signal } = command;
  const { runDir } = runningMesh(stateDir).state;
  const { master, other, members, replicas } = await lookAtSites(stateDir);
  const [replica] = replicas;
  if (replica === undefined) {
    throw new SallyportError('SITE_SINGLE', {
      message: `there is no replica at ${other}`,
      hint: '`sallyport site status` shows both sites',
    });
  }
  if (members.length > 0 && !force) {
    throw new SallyportError('SITE_MASTER_ALIVE', {
      message: `${members.join(', ')} at ${master} answer: the database group lives`,
    });
  }
  const lag =
    replica.lagMs === null ? 'an unknown time' : `the last ${(replica.lagMs / 1000).toFixed(1)} s before now`;
  report.say(
    members.length > 0
      ? `${master} lives: its database nodes are told to stop, and what they have acknowledged is taken over as far as they can be reached.`
      : `${master} does not answer. What it has committed in ${lag} may be lost: revocations, enrolments, changes.`,
  );
  report.say(`The last that ${replica.pod} has applied: ${replica.gtidExecuted || 'nothing'}`);
  report.say(
    `Everybody logs in again, nobody enrols again. ${master} serves nobody any more when it comes back, but for proxies that cannot be reached: their leases run out.`,
  );
  if (!yes) await confirm(`Make ${other} the master?`, command);
  const result = promoted.parse(
    await askRunner(runDir, 'promoteSite', {}, { progress: report.progress, signal }),
  );
  report.say(`${other} is master, in era ${result.era}.`);
  const ok = result.servedAfterMs <= goalMs;
  const value = Math.round(result.servedAfterMs / 100) / 10;
  return {
    ok,
    figures: [{ name: 'served after', value, unit: 's', goal: `<= ${goalMs / 1000}`, ok }],
    items: { ...result, lagMs: replica.lagMs, master: other },
  };
}

/** `sallyport site rejoin` */
export async function runSiteRejoin(_: CommonOptions, command: CommandContext): Promise<Outcome> {
  const { stateDir, report, signal } = command;
  const { runDir } = runningMesh(stateDir).state;
  const { other } = await lookAtSites(stateDir);
  const result = rejoined.parse(
    await askRunner(runDir, 'rejoinSite', {}, { progress: report.progress, signal }),
  );
  report.say(`${other} is back as slave.`);
  for (const { pod, aside, only } of result.superseded) {
    const had = only === '' ? 'nothing that the master does not have' : (only ?? 'what could not be read');
    report.say(`${pod} had ${had}: ${aside}`);
  }
  return {
    ok: true,
    figures: [{ name: 'pods started', value: result.started.length, unit: 'pods', goal: '', ok: true }],
    items: { ...result },
  };
}
