import { randomBytes } from 'node:crypto';
import { SallyportError } from '#core/errors/error.ts';
import type { DirectoryGroup, MailTo } from '#gen/sallyport/workflow/v1/workflow_pb.js';
import type { Connector } from '../connectors/connector.ts';
import type { Connectors } from '../connectors/connectors.ts';
import { changeGroup } from '../connectors/ldap-group.ts';
import { runEffect } from '../connectors/run-effect.ts';
import type { TaskContext } from '../engine/definition.ts';

/** Where a mail goes; undefined: nowhere. */
export type Recipient = MailTo | undefined;

export async function tell(
  context: TaskContext,
  name: string,
  { mail }: Connectors,
  to: Recipient,
  subject: string,
  text: string,
): Promise<void> {
  if (to === undefined) return;
  await runEffect(context, name, mail, { target: to.target, to: to.addresses, subject, text });
}

/**
 * Makes an activation and mails it, in one step, since the code must stand in no journal. Begun twice there are two
 * codes, each of which is good: whichever copy of the mail is kept.
 */
export function mailActivation(
  context: TaskContext,
  name: string,
  { clients, mail }: Connectors,
  request: { readonly user: string; readonly appId: string; readonly to: MailTo },
): Promise<null> {
  const connector: Connector<typeof request, null> = {
    name: 'activation',
    deduplicates: ({ to }) =>
      mail.deduplicates({ target: to.target, to: to.addresses, subject: '', text: '' }),
    act: async ({ user, appId, to }, run) => {
      const { activation } = await clients.keys.createActivation({ user, appId }, { signal: run.signal });
      const text = `Hello ${user},\n\nactivate ${appId} with this, once, within a day:\n\n${activation}\n`;
      await mail.act({ target: to.target, to: to.addresses, subject: `Activation of ${appId}`, text }, run);
      return null;
    },
  };
  return runEffect(context, name, connector, request);
}

/**
 * Sets a new password and mails it, in one step for the same reason. Begun twice the newer password counts, so each
 * mail is one of its own.
 */
export function mailPassword(
  context: TaskContext,
  name: string,
  { clients, mail }: Connectors,
  request: { readonly user: string; readonly to: MailTo },
): Promise<null> {
  const connector: Connector<typeof request, null> = {
    name: 'password',
    deduplicates: ({ to }) => {
      const how = mail.deduplicates({ target: to.target, to: to.addresses, subject: '', text: '' });
      return how === 'once' ? 'once' : 'idempotent';
    },
    act: async ({ user, to }, run) => {
      const [password, token] = [
        randomBytes(12).toString('base64url'),
        randomBytes(16).toString('base64url'),
      ];
      await clients.directory.setPassword(
        { requestKey: token, name: user, password },
        { signal: run.signal },
      );
      const text = `Hello ${user},\n\nyour new password is:\n\n${password}\n\nIf there are several such mails, the newest counts.\n`;
      const letter = { target: to.target, to: to.addresses, subject: 'Your new password', text };
      await mail.act(letter, { ...run, token });
      return null;
    },
  };
  return runEffect(context, name, connector, request);
}

/** Gives those that were changed. Who was taken out is not put in again. @param name of the steps, with a number */
export async function changeGroups(
  context: TaskContext,
  name: string,
  { ldap }: Connectors,
  groups: readonly DirectoryGroup[],
  member: boolean,
): Promise<readonly DirectoryGroup[]> {
  const changed: DirectoryGroup[] = [];
  for (const [n, each] of groups.entries()) {
    const { target, groupDn, memberDn } = each;
    const change = { target, groupDn, memberDn, member };
    if (await changeGroup(context, `${name} ${n + 1}`, ldap, change, { undo: member })) changed.push(each);
  }
  return changed;
}

/** What is to be taken away from somebody who is gone is taken away. */
export async function unlessGone(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (SallyportError.from(error).reason !== 'NOT_FOUND') throw error;
  }
}
