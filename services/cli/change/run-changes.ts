import { resolve } from 'node:path';
import { z } from 'zod';
import { askRunner } from '#compose/runner/control/client.ts';
import type { ChangeName, ChangeRequest } from '#compose/runner/control/messages.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { UsageError } from '../failure.ts';
import { runningMesh } from '../mesh/mesh-of-state.ts';
import type { Figure, Outcome } from '../report.ts';

export interface RestartCommandOptions extends CommonOptions {
  readonly tier?: readonly string[];
  readonly all?: boolean;
  readonly parallel: number;
}

export interface ApplyCommandOptions extends CommonOptions {
  readonly file?: string;
  readonly patches?: string;
  readonly dryRun?: boolean;
  readonly restart?: boolean;
}

const names = z.array(z.string());

/** `sallyport restart` */
export async function runRestart(
  pods: readonly string[],
  { tier, all, parallel }: RestartCommandOptions,
  command: CommandContext,
): Promise<Outcome> {
  if (pods.length === 0 && tier === undefined && all !== true)
    throw new UsageError('no pod is meant', 'name pods, or say --tier or --all');
  const what = { pods: [...pods], tiers: [...(tier ?? [])], all: all === true, parallel };
  const restarted = names.parse(await ask(command, 'restart', what));
  command.report.say(`${restarted.length} pods were restarted.`);
  return { ok: true, figures: [count('pods restarted', restarted)], items: { restarted } };
}

/** `sallyport scale` */
export async function runScale(tier: string, size: string, command: CommandContext): Promise<Outcome> {
  if (!/^\d{1,3}$/.test(size)) throw new UsageError(`"${size}" is no number of pods`, 'say a whole number');
  const { added, removed } = z
    .object({ added: names, removed: names })
    .parse(await ask(command, 'scale', { tier, size: Number(size) }));
  command.report.say(
    added.length + removed.length === 0
      ? `There are ${size} already.`
      : [...added.map((pod) => `+ ${pod}`), ...removed.map((pod) => `- ${pod}`)].join('\n'),
  );
  return {
    ok: true,
    figures: [count('pods added', added), count('pods removed', removed)],
    items: { added, removed },
  };
}

/** `sallyport drain` and `sallyport undrain` */
export async function runDrain(
  verb: 'drain' | 'undrain',
  pod: string,
  command: CommandContext,
): Promise<Outcome> {
  await ask(command, verb, { pod });
  command.report.say(verb === 'drain' ? `${pod} gets no new calls.` : `${pod} gets calls.`);
  return { ok: true, items: { pod } };
}

/** `sallyport certs rotate` */
export async function runRotate(roots: boolean, command: CommandContext): Promise<Outcome> {
  await ask(command, 'rotateCertificates', { roots });
  command.report.say('Every pod has a new certificate.');
  return { ok: true, items: { roots } };
}

/** `sallyport mesh apply` */
export async function runApply(o: ApplyCommandOptions, command: CommandContext): Promise<Outcome> {
  const { report, cwd } = command;
  const outcome = z.object({ changed: names, restart: names, restarted: names }).parse(
    await ask(command, 'apply', {
      ...(o.file !== undefined && { file: resolve(cwd, o.file) }),
      ...(o.patches !== undefined && { patchesDir: resolve(cwd, o.patches) }),
      dryRun: o.dryRun === true,
      restart: o.restart === true,
    }),
  );
  const { changed, restart, restarted } = outcome;
  for (const each of changed) report.say(`  ${each}`);
  if (changed.length === 0) report.say('Nothing differs from what the sidecars have.');
  else report.say(o.dryRun === true ? 'That would change; nothing has been.' : 'All sidecars have taken it.');
  if (restart.length > 0)
    report.say(
      `Only a restart brings bootstrap and arguments to: ${restart.join(', ')}\n` +
        `sallyport restart ${restart.join(' ')}     (or say --restart)`,
    );
  return {
    ok: true,
    figures: [
      count('resources changed', changed),
      count('pods to be restarted', restart),
      count('pods restarted', restarted),
    ],
    items: outcome,
  };
}

function ask<N extends ChangeName>(
  { stateDir, report, signal }: CommandContext,
  change: N,
  what: ChangeRequest<N>,
): Promise<unknown> {
  const { progress } = report;
  return askRunner(runningMesh(stateDir).state.runDir, change, what, { progress, signal });
}

const count = (name: string, of: readonly string[]): Figure => ({
  name,
  value: of.length,
  unit: name.split(' ')[0] ?? '',
  goal: '',
  ok: true,
});
