import { createHash } from 'node:crypto';
import { nextTurn } from '#kernel/time/next-turn.ts';
import type { KnownUser, UserEntry } from './entries.ts';
import { maxGroups } from './names.ts';
import type { Snapshot } from './snapshot.ts';

/** `note`: nothing of the user here changes, but its DN. */
export type PlannedAction = 'remove' | 'disable' | 'rename' | 'change' | 'add' | 'note';

export interface PlannedChange {
  readonly action: PlannedAction;
  readonly known: KnownUser | undefined;
  /** Undefined: it is removed. */
  readonly wanted: KnownUser | undefined;
}

/** What takes rights away comes first, and names are free before somebody else gets them. */
const order: readonly PlannedAction[] = ['disable', 'remove', 'rename', 'change', 'note', 'add'];

/** Users in one turn of the event loop. */
const inOneTurn = 2000;

export interface Plan {
  readonly changes: readonly PlannedChange[];
  readonly problems: readonly string[];
}

/** Compares what a directory has with what the database has of it. Whoever cannot be taken stays as it is. */
export async function planChanges(
  known: ReadonlyMap<string, KnownUser>,
  { users, unreadable }: Pick<Snapshot, 'users' | 'unreadable'>,
  /** Ids of whoever may be in other groups than before. */
  regrouped: ReadonlySet<string>,
  groupsOf: (id: string) => readonly string[],
): Promise<Plan> {
  const changes: PlannedChange[] = [];
  const problems: string[] = [];
  const holder = holders(known, users, problems);
  let n = 0;
  for (const user of users.values()) {
    n += 1;
    if (n % inOneTurn === 0) await nextTurn();
    const before = known.get(user.id);
    // The very entry that the database has was not read anew.
    if (user === before && !regrouped.has(user.id)) continue;
    if (holder.get(user.name) !== user.id) continue;
    const names = groupsOf(user.id);
    if (names.length > maxGroups) {
      // Some of them would have to be left out, and a rule may deny by one.
      problems.push(`${user.name} is in ${names.length} groups, and may be in ${maxGroups}: --group-filter`);
      if (!user.disabled || before === undefined) continue;
    }
    const groups = names.length > maxGroups ? (before?.groups ?? '[]') : JSON.stringify(names);
    const wanted = { ...user, groups };
    const action = actionFor(before, wanted);
    if (action !== undefined) changes.push({ action, known: before, wanted });
  }
  for (const before of known.values()) {
    if (users.has(before.id) || unreadable.has(before.id)) continue;
    changes.push({ action: 'remove', known: before, wanted: undefined });
  }
  return {
    changes: changes.sort((a, b) => order.indexOf(a.action) - order.indexOf(b.action)),
    problems,
  };
}

/** Who has a name, where several entries claim it: whoever had it before. */
function holders(
  known: ReadonlyMap<string, KnownUser>,
  users: ReadonlyMap<string, UserEntry>,
  problems: string[],
): ReadonlyMap<string, string> {
  const holder = new Map<string, string>();
  for (const { id, name, dn } of users.values()) {
    const other = holder.get(name);
    if (other === undefined) {
      holder.set(name, id);
      continue;
    }
    const first = known.get(id)?.name === name;
    if (first) holder.set(name, id);
    problems.push(`${first ? users.get(other)?.dn : dn} has the name ${name}, which another entry has, too`);
  }
  return holder;
}

function actionFor(before: KnownUser | undefined, wanted: KnownUser): PlannedAction | undefined {
  if (before === undefined) return 'add';
  if (wanted.disabled && !before.disabled) return 'disable';
  if (wanted.name !== before.name) return 'rename';
  const same =
    wanted.groups === before.groups &&
    wanted.displayName === before.displayName &&
    wanted.disabled === before.disabled;
  if (!same) return 'change';
  return wanted.dn === before.dn ? undefined : 'note';
}

/** Removals and disablings; so many are let through without asking: the share, and one in any case. */
export const takings = ({ changes }: Plan): readonly PlannedChange[] =>
  changes.filter(({ action }) => action === 'remove' || action === 'disable');

export const allowedTakings = (known: number, percent: number): number =>
  percent === 0 ? 0 : Math.max(1, Math.floor((known * percent) / 100));

/** Names these very takings: a confirmation is for them, and for no others. */
export function tokenFor(source: string, plan: Plan): string {
  const ids = takings(plan).map(({ action, known }) => `${action} ${known?.id}`);
  return createHash('sha256')
    .update(`${source}\0${ids.sort().join('\0')}`)
    .digest('hex')
    .slice(0, 12);
}
