import { randomUUID } from 'node:crypto';
import { toJson } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import {
  Sources,
  SyncAction,
  type SyncChange,
  SyncKind,
  type SyncRun,
  SyncRunSchema,
  SyncState,
} from '#gen/sallyport/directory/v1/sources_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { UsageError } from '../failure.ts';
import type { Figure, Outcome } from '../report.ts';

export interface SyncOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly full?: boolean;
  readonly confirm?: string;
}

export interface RemoveOptions extends CommonOptions {
  readonly confirm?: string;
}

/** Milliseconds between two looks at how far it is. */
const lookMs = 500;
const over: readonly SyncState[] = [SyncState.DONE, SyncState.HELD, SyncState.FAILED, SyncState.CANCELLED];

/** `sallyport users sync` */
export async function runSync(
  source: string | undefined,
  o: SyncOptions,
  command: CommandContext,
): Promise<Outcome> {
  const names = source === undefined ? await sourceNames(command) : [source];
  if (names.length === 0) throw new UsageError('there is no directory', '`sallyport sources add` makes one');
  if (names.length > 1 && o.confirm !== undefined) {
    throw new UsageError('a token is for one source', 'name the source');
  }
  const runs: SyncRun[] = [];
  for (const name of names) {
    const kind = o.full ? SyncKind.FULL : SyncKind.UNSPECIFIED;
    const run = await follow(
      { source: name, kind, dryRun: o.dryRun ?? false, confirm: o.confirm ?? '' },
      command,
    );
    tell(run, `sallyport users sync ${name}`, command);
    runs.push(run);
  }
  return outcome(runs);
}

/** `sallyport sources remove` */
export async function runSourceRemove(
  name: string,
  o: RemoveOptions,
  command: CommandContext,
): Promise<Outcome> {
  const order = { source: name, kind: SyncKind.RETIRE, dryRun: false, confirm: o.confirm ?? '' };
  const run = await follow(order, command);
  tell(run, `sallyport sources remove ${name}`, command);
  if (run.state === SyncState.DONE) command.report.say(`${name} is removed, and its users with it.`);
  return outcome([run]);
}

async function sourceNames(command: CommandContext): Promise<string[]> {
  const { signal } = command;
  const { sources } = await askTier(command, Sources, (tier) => tier.listSources({}, { signal }));
  return sources.filter(({ settings }) => !settings?.scim).map(({ name }) => name);
}

/** Orders a synchronisation and shows how it goes; Ctrl-C ends it. */
async function follow(
  order: { source: string; kind: SyncKind; dryRun: boolean; confirm: string },
  command: CommandContext,
): Promise<SyncRun> {
  const { report, signal, clock } = command;
  const request = { ...order, requestKey: randomUUID() };
  const { id } = await askTier(command, Sources, (tier) => tier.startSync(request, { signal }));
  let shown = '';
  try {
    for (;;) {
      const { run } = await askTier(command, Sources, (tier) => tier.getSync({ id }, { signal }));
      if (run === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no run' });
      if (over.includes(run.state)) return run;
      const line = progressText(run);
      if (line !== shown) report.progress(line);
      shown = line;
      await clock.sleep(lookMs, signal);
    }
  } catch (error) {
    if (signal.aborted) await askTier(command, Sources, (tier) => tier.cancelSync({ id }));
    throw error;
  }
}

function progressText(run: SyncRun): string {
  const total = run.adds + run.changes + run.disables + run.removes;
  if (run.state === SyncState.QUEUED) return `${run.source}: waiting for a security pod`;
  const seen =
    total > 0 ? `${run.applied} of ${total} changes` : `${run.usersRead} users, ${run.groupsRead} groups`;
  return `${run.source}: ${run.phase || 'beginning'} on ${run.pod} (${seen})`;
}

const signs: Readonly<Record<SyncAction, string>> = {
  [SyncAction.UNSPECIFIED]: ' ',
  [SyncAction.ADD]: '+',
  [SyncAction.CHANGE]: '~',
  [SyncAction.RENAME]: '~',
  [SyncAction.DISABLE]: '!',
  [SyncAction.REMOVE]: '-',
};
/** Lines for people; programs get a thousand. */
const shownChanges = 40;

function tell(run: SyncRun, again: string, { report }: CommandContext): void {
  for (const change of run.listed.slice(0, shownChanges)) report.say(`  ${changeText(change)}`);
  const more =
    run.adds + run.changes + run.disables + run.removes - Math.min(run.listed.length, shownChanges);
  if (more > 0) report.say(`  … and ${more} more (--json has ${run.listed.length})`);
  for (const problem of run.listedProblems) report.say(`  ? ${problem}`);
  const { adds, changes, disables, removes, problems } = run;
  const verb = run.dryRun ? 'would be' : 'are';
  const what = `${adds} added, ${changes} changed, ${disables} disabled, ${removes} removed`;
  if (run.state === SyncState.DONE)
    report.say(`${run.source}: ${what} ${run.dryRun ? `(${verb})` : ''}`.trim());
  if (problems > 0) report.say(`${problems} entries could not be taken`);
  if (run.token !== '') {
    const asked = run.state === SyncState.HELD ? 'Nothing was changed' : 'It would ask first';
    report.say(
      `${asked}: ${removes + disables} users would lose access. If that is right: ${again} --confirm ${run.token}`,
    );
  }
  if (run.state === SyncState.FAILED) report.say(`${run.source}: ${run.errorReason}: ${run.errorMessage}`);
  if (run.state === SyncState.CANCELLED) report.say(`${run.source}: ended; ${run.applied} changes were made`);
}

function changeText({ action, name, formerName, addedGroups, removedGroups }: SyncChange): string {
  const was = formerName === '' ? '' : ` (was ${formerName})`;
  const groups = [...addedGroups.map((each) => `+${each}`), ...removedGroups.map((each) => `-${each}`)];
  return `${signs[action]} ${name}${was} ${groups.join(' ')}`.trimEnd();
}

function outcome(runs: readonly SyncRun[]): Outcome {
  const sum = (of: (run: SyncRun) => number): number => runs.reduce((n, run) => n + of(run), 0);
  const figure = (name: string, value: number): Figure => ({
    name,
    value,
    unit: 'users',
    goal: '',
    ok: true,
  });
  return {
    ok: runs.every(({ state }) => state === SyncState.DONE),
    figures: [
      figure(
        'added',
        sum((run) => run.adds),
      ),
      figure(
        'changed',
        sum((run) => run.changes),
      ),
      figure(
        'disabled',
        sum((run) => run.disables),
      ),
      figure(
        'removed',
        sum((run) => run.removes),
      ),
      { name: 'problems', value: sum((run) => run.problems), unit: 'entries', goal: '', ok: true },
    ],
    items: { items: runs.map((run) => toJson(SyncRunSchema, run, { alwaysEmitImplicit: true })) },
  };
}
