import { Attribute, Change, EqualityFilter } from 'ldapts';
import type { Account, Hosts, LdapHosts } from '#kernel/ldap/hosts.ts';
import type { LdapSession } from '#kernel/ldap/ldap-session.ts';
import type { StepRun, TaskContext } from '../engine/definition.ts';
import type { Connector } from './connector.ts';
import { runEffect } from './run-effect.ts';
import { refused } from './target-errors.ts';

export interface GroupChange {
  /** Name of the directory among the targets. */
  readonly target: string;
  readonly groupDn: string;
  readonly memberDn: string;
  readonly member: boolean;
}

/** A directory that groups are changed in. */
export interface GroupDirectory {
  readonly hosts: LdapHosts;
  readonly account: Account;
  readonly memberAttribute: string;
  /** Bounds what is under way. */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

export interface LdapGroups {
  readonly isMember: Connector<Omit<GroupChange, 'member'>, boolean>;
  readonly change: Connector<GroupChange, null>;
}

/**
 * What says that it is so already (RFC 4511 appendix A.1): attributeOrValueExists and noSuchAttribute; of Active
 * Directory entryAlreadyExists and unwillingToPerform, which may say something else, so it is looked for.
 */
const perhapsSo = { add: [20, 68], delete: [16, 53] } as const;

/** Who is in a group of a directory. Being put in twice is being in it: idempotent. */
export function ldapGroups(hosts: Hosts, directoryOf: (target: string) => GroupDirectory): LdapGroups {
  const at = <T>(
    target: string,
    use: (session: LdapSession, memberAttribute: string) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> => {
    const directory = directoryOf(target);
    return directory.run(
      () =>
        hosts.at(
          directory.hosts,
          directory.account,
          (session) => use(session, directory.memberAttribute),
          signal,
        ),
      signal,
    );
  };
  return {
    isMember: {
      name: 'ldap-group-look',
      deduplicates: () => 'idempotent',
      act: ({ target, groupDn, memberDn }, { signal }) =>
        at(target, (session, attribute) => has(session, attribute, groupDn, memberDn), signal),
    },
    change: {
      name: 'ldap-group',
      deduplicates: () => 'idempotent',
      act: async ({ target, groupDn, memberDn, member }, { signal }) => {
        const operation = member ? 'add' : 'delete';
        await at(
          target,
          async (session, type) => {
            const modification = new Attribute({ type, values: [memberDn] });
            const change = new Change({ operation, modification });
            if (await session.modify(groupDn, [change], perhapsSo[operation])) return;
            if ((await has(session, type, groupDn, memberDn)) !== member) {
              throw refused(
                target,
                `${memberDn} can be ${member ? 'put into' : 'taken out of'} ${groupDn} by its owner only`,
              );
            }
          },
          signal,
        );
        return null;
      },
    },
  };
}

async function has(session: LdapSession, attribute: string, group: string, member: string): Promise<boolean> {
  const filter = new EqualityFilter({ attribute, value: member });
  const found = await session.find({ base: group, scope: 'base', filter, attributes: ['1.1'] });
  return found.length > 0;
}

/**
 * Changes who is in a group, in two steps: with `undo` it is taken back, unless it was so before. Gives whether it has changed it.
 * @throws SOURCE_UNREACHABLE, SOURCE_REFUSED, TARGET_REFUSED
 */
export async function changeGroup(
  context: TaskContext,
  name: string,
  { isMember, change }: LdapGroups,
  request: GroupChange,
  { undo }: { readonly undo: boolean },
): Promise<boolean> {
  const before = await runEffect(context, `${name}, before`, isMember, request);
  if (before === request.member) return false;
  const back = { ...request, member: before };
  await runEffect(context, name, change, request, {
    ...(undo && { undo: (_: null, run: StepRun) => change.act(back, run).then(() => undefined) }),
  });
  return true;
}
