import type { Kysely } from 'kysely';
import {
  SyncAction,
  type SyncChange,
  SyncKind,
  type SyncRun,
} from '#gen/sallyport/directory/v1/sources_pb.js';
import type { Hosts } from '#kernel/ldap/hosts.ts';
import type { SecurityTables } from '../store/tables.ts';
import { type ApplyDeps, applyChanges, keepGroups, type SourceLease, underLease } from './apply-plan.ts';
import { readKnown } from './known.ts';
import { knownAfter, type Left, leftAs, type ReadSoFar } from './left.ts';
import { beneath, changedGroups, membership } from './membership.ts';
import {
  allowedTakings,
  type Plan,
  type PlannedAction,
  type PlannedChange,
  planChanges,
  takings,
  tokenFor,
} from './plan.ts';
import { type Changes, canCount, isFullDue, listEveryMs, readChanges } from './read-changes.ts';
import { readAll, readContext } from './read-directory.ts';
import { type Known, type Stamp, withoutDoubles } from './snapshot.ts';
import type { SourceAccess } from './source-store.ts';

export interface SyncDeps extends ApplyDeps {
  readonly hosts: Hosts;
}

export interface SyncWork extends ReadSoFar {
  readonly source: SourceAccess;
  readonly lease: SourceLease;
  /** Is filled in as it goes. */
  readonly run: SyncRun;
  /** What the last one here has left. */
  readonly left?: Left | undefined;
  /** Is told what this one leaves. */
  readonly leave?: (left: Left) => void;
  readonly signal: AbortSignal;
}

/** `held`: it would remove too much, so nothing was changed. */
export type SyncEnd = 'done' | 'held';

const maxListed = 1000;
const maxProblems = 100;

/**
 * Brings the database in step with a directory, once. What was changed before a failure stays, and is not done again
 * by the next.
 * @throws SOURCE_UNREACHABLE, SOURCE_REFUSED, SOURCE_INCOMPLETE; CANCELLED when the lease or the signal says so
 */
export async function synchronise(deps: SyncDeps, work: SyncWork): Promise<SyncEnd> {
  const { source, lease, run, signal, leave } = work;
  const left = work.left?.as === leftAs(source.name, work) ? work.left.known : undefined;
  let loading: Promise<Known> | undefined = left && Promise.resolve(left);
  const load = (): Promise<Known> => {
    loading ??= readKnown((fn) => deps.db.read(fn, { signal }), source.name);
    return loading;
  };
  const {
    snapshot: now,
    stamp,
    listed,
  } = run.kind === SyncKind.RETIRE ? nobody : await read(deps, work, load);
  if (now === undefined) {
    if (run.dryRun) return 'done';
    const as = await finished(deps, work, { stamp, listed });
    if (left !== undefined) leave?.({ as, known: left });
    return 'done';
  }
  const known = await load();
  const problems = [...now.problems];
  const groups = withoutDoubles(now.groups, known.groups, problems);
  for (const id of now.unreadable) {
    const before = known.groups.get(id);
    if (before !== undefined) groups.set(id, before);
  }
  run.phase = 'comparing';
  const regrouped = changedGroups(known.groups, groups);
  const affected = beneath(
    [...regrouped.gone, ...regrouped.changed.map(({ id }) => id)],
    known.groups,
    groups,
  );
  const plan = await planChanges(known.users, now, affected, membership(groups.values()));
  tell(run, plan, [...problems, ...plan.problems]);
  const taken = takings(plan).length;
  const percent = run.kind === SyncKind.RETIRE ? 0 : source.settings.maxRemovalPercent;
  const token = tokenFor(source.name, plan);
  if (taken > allowedTakings(known.users.size, percent) && token !== run.confirm) {
    run.token = token;
    if (!run.dryRun) return 'held';
  }
  if (run.dryRun) return 'done';
  run.phase = 'changing users';
  let asPlanned = true;
  await applyChanges(
    deps,
    lease,
    plan.changes,
    (made, found) => {
      run.applied = plan.changes.slice(0, made).filter(({ action }) => action !== 'note').length;
      addProblems(run, found);
      asPlanned &&= found.length === 0;
    },
    signal,
  );
  await keepGroups(deps, lease, regrouped);
  const as = await finished(deps, work, { stamp, listed });
  // What has read everything makes room.
  if (asPlanned && !run.full) leave?.({ as, known: knownAfter(known, plan.changes, regrouped) });
  return 'done';
}

const noStamp: Stamp = { server: '', last: '', context: '' };
const nobody: Changes = {
  snapshot: { users: new Map(), groups: new Map(), unreadable: new Set(), problems: [], stamp: noStamp },
  stamp: noStamp,
  listed: true,
};

function read(
  deps: SyncDeps,
  { source, run, stamp, fullMs, listedMs, signal }: SyncWork,
  known: () => Promise<Known>,
): Promise<Changes> {
  const { settings, account } = source;
  const nowMs = deps.clock.now();
  return deps.hosts.at(
    settings,
    account,
    async (session) => {
      run.phase = `reading ${session.url}`;
      const context = await readContext(session, settings, ({ users, groups }) => {
        run.usersRead = users;
        run.groupsRead = groups;
      });
      run.full =
        run.kind === SyncKind.FULL || isFullDue(settings, fullMs, nowMs) || !canCount(stamp, context);
      if (!run.full && canCount(stamp, context)) {
        // Whoever asks for it wants to know.
        const list = run.orderedBy !== '' || nowMs - (listedMs ?? 0) >= listEveryMs;
        return readChanges(context, { stamp, list, known });
      }
      const snapshot = await readAll(context, await known());
      return { snapshot, stamp: snapshot.stamp, listed: true };
    },
    signal,
  );
}

/** Writes down how far it was read; gives that as `leftAs`. */
async function finished(
  deps: SyncDeps,
  work: SyncWork,
  { stamp, listed }: Pick<Changes, 'stamp' | 'listed'>,
): Promise<string> {
  const nowMs = Math.round(deps.clock.now());
  await underLease(deps, work.lease, (trx) => finish(trx, work, { stamp, listed }, nowMs));
  const fullMs = work.run.full ? nowMs : work.fullMs;
  return leftAs(work.source.name, { stamp, fullMs, listedMs: listed ? nowMs : work.listedMs });
}

/** A source that is being removed goes with its last user. */
async function finish(
  trx: Kysely<SecurityTables>,
  { source: { name }, run, listedMs }: SyncWork,
  { stamp, listed }: Pick<Changes, 'stamp' | 'listed'>,
  nowMs: number,
): Promise<void> {
  if (run.kind === SyncKind.RETIRE) {
    await trx.deleteFrom('sources').where('name', '=', name).execute();
    for (const table of ['scim_tokens', 'scim_members', 'scim_resources', 'scim_takings'] as const) {
      await trx.deleteFrom(table).where('source', '=', name).execute();
    }
    return;
  }
  await trx
    .updateTable('sources')
    .set({
      stamp: JSON.stringify(stamp),
      synced_ms: nowMs,
      ...(run.full && { full_ms: nowMs }),
      listed_ms: listed ? nowMs : listedMs,
    })
    .where('name', '=', name)
    .execute();
}

const actions: Readonly<Record<Exclude<PlannedAction, 'note'>, SyncAction>> = {
  add: SyncAction.ADD,
  change: SyncAction.CHANGE,
  rename: SyncAction.RENAME,
  disable: SyncAction.DISABLE,
  remove: SyncAction.REMOVE,
};

function tell(run: SyncRun, { changes }: Plan, problems: readonly string[]): void {
  const count = (...which: readonly PlannedAction[]): number =>
    changes.filter(({ action }) => which.includes(action)).length;
  run.adds = count('add');
  run.changes = count('change', 'rename');
  run.disables = count('disable');
  run.removes = count('remove');
  run.applied = 0;
  run.problems = 0;
  run.listedProblems = [];
  run.listed = changes.slice(0, maxListed).flatMap(listedChange);
  addProblems(run, problems);
}

function addProblems(run: SyncRun, problems: readonly string[]): void {
  run.problems += problems.length;
  run.listedProblems.push(...problems.slice(0, maxProblems - run.listedProblems.length));
}

function listedChange({ action, known, wanted }: PlannedChange): SyncChange[] {
  if (action === 'note') return [];
  const before = new Set(groupsIn(known?.groups));
  const after = new Set(groupsIn(wanted?.groups));
  return [
    {
      $typeName: 'sallyport.directory.v1.SyncChange',
      action: actions[action],
      name: (wanted ?? known)?.name ?? '',
      formerName: known !== undefined && wanted !== undefined && known.name !== wanted.name ? known.name : '',
      addedGroups: [...after].filter((each) => !before.has(each)),
      removedGroups: [...before].filter((each) => !after.has(each)),
    },
  ];
}

const groupsIn = (text: string | undefined): string[] =>
  text === undefined ? [] : (JSON.parse(text) as string[]);
