import { RevokeWait } from '#gen/sallyport/session/v1/session_pb.js';
import type { StepRun } from '../engine/definition.ts';
import type { Json } from '../engine/json.ts';
import type { Connector, Deduplication } from './connector.ts';
import type { TierClients } from './tier-clients.ts';

export interface NewAccount {
  readonly name: string;
  readonly displayName: string;
  readonly groups: readonly string[];
}

/** What is absent stays. */
export interface AccountChange {
  readonly name: string;
  readonly addGroups?: readonly string[];
  readonly removeGroups?: readonly string[];
  readonly disabled?: boolean;
}

/** What tasks need to know of a user. */
export type Account = {
  readonly name: string;
  readonly groups: readonly string[];
  readonly disabled: boolean;
  readonly source: string;
};

/**
 * Users, sessions and devices of the security tier. It keeps the request key of a change, which is the step's token, in
 * the transaction of the change itself, for longer than any task repeats.
 */
export interface Tier {
  readonly account: Connector<{ readonly name: string }, Account>;
  readonly createAccount: Connector<NewAccount, Account>;
  /** Gives the position of the entry that ends the user's sessions; 0: they go on. */
  readonly changeAccount: Connector<AccountChange, number>;
  readonly removeAccount: Connector<{ readonly name: string; readonly reason: string }, number>;
  /** Of one user, everywhere. A session that was opened in between is ended, too. */
  readonly endSessions: Connector<{ readonly user: string; readonly reason: string }, number>;
  /** Blocks each device that a user has; gives how many. */
  readonly blockDevices: Connector<{ readonly user: string; readonly reason: string }, number>;
}

/** Devices of one user that are looked at. */
const maxDevices = 1000;

export function tier({ directory, sessions, devices }: TierClients): Tier {
  const connector = <Request, Result extends Json>(
    name: string,
    deduplicates: Deduplication,
    act: (request: Request, run: StepRun) => Promise<Result>,
  ): Connector<Request, Result> => ({ name, deduplicates: () => deduplicates, act });
  const accountOf = (user: Account | undefined): Account => {
    const { name = '', groups = [], disabled = false, source = '' } = user ?? {};
    return { name, groups: [...groups], disabled, source };
  };

  return {
    account: connector('tier-account', 'idempotent', async ({ name }, { signal }) =>
      accountOf((await directory.getUser({ name }, { signal })).user),
    ),
    createAccount: connector(
      'tier-create',
      'token',
      async ({ name, displayName, groups }, { token, signal }) => {
        const names = { names: [...groups] };
        const { user } = await directory.createUser(
          { requestKey: token, name, displayName, groups: names },
          { signal },
        );
        return accountOf(user);
      },
    ),
    changeAccount: connector('tier-change', 'token', async (change, { token, signal }) => {
      const { name, addGroups, removeGroups, disabled } = change;
      const { position } = await directory.updateUser(
        {
          ...{ requestKey: token, name },
          ...(addGroups !== undefined && { addGroups: { names: [...addGroups] } }),
          ...(removeGroups !== undefined && { removeGroups: { names: [...removeGroups] } }),
          ...(disabled !== undefined && { disabled }),
        },
        { signal },
      );
      return Number(position);
    }),
    removeAccount: connector('tier-remove', 'token', async ({ name, reason }, { token, signal }) => {
      const { position } = await directory.deleteUser({ requestKey: token, name, reason }, { signal });
      return Number(position);
    }),
    endSessions: connector('tier-end-sessions', 'idempotent', async ({ user, reason }, { signal }) => {
      const subject = { case: 'user', value: user } as const;
      const { position } = await sessions.revokeSessions(
        { subject, reason, wait: RevokeWait.FLEET },
        { signal },
      );
      return Number(position);
    }),
    blockDevices: connector('tier-block-devices', 'idempotent', async ({ user, reason }, { signal }) => {
      const { devices: all } = await devices.listDevices({ user, pageSize: maxDevices }, { signal });
      for (const { deviceId } of all) await devices.blockDevice({ deviceId, reason }, { signal });
      return all.length;
    }),
  };
}
