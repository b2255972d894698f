import { randomUUID } from 'node:crypto';
import { SallyportError } from '#core/errors/error.ts';
import { Directory, type User } from '#gen/sallyport/directory/v1/directory_pb.js';
import { type PersonRole, roleToWire } from '#services/security/directory/roles.ts';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { readNewPassword } from '../device/read-secret.ts';
import { UsageError } from '../failure.ts';
import type { Outcome } from '../report.ts';
import { userJson, userLines } from './user-text.ts';

export interface UserAddOptions extends CommonOptions {
  readonly displayName?: string;
  readonly groups?: readonly string[];
  readonly roles?: readonly PersonRole[];
  readonly passwordFile?: string;
  /** False with --no-password. */
  readonly password: boolean;
}

export interface UserSetOptions extends CommonOptions {
  readonly displayName?: string;
  readonly groups?: readonly string[];
  readonly addGroups?: readonly string[];
  readonly removeGroups?: readonly string[];
  readonly roles?: readonly PersonRole[];
}

export interface UserPasswordOptions extends CommonOptions {
  readonly passwordFile?: string;
}

export interface UserRemoveOptions extends CommonOptions {
  readonly reason: string;
}

/** `sallyport users add` */
export async function runUserAdd(name: string, o: UserAddOptions, command: CommandContext): Promise<Outcome> {
  const password = o.password ? await readNewPassword(o.passwordFile, command) : '';
  const request = {
    requestKey: randomUUID(),
    name,
    displayName: o.displayName ?? '',
    groups: { names: [...(o.groups ?? [])] },
    roles: { roles: (o.roles ?? []).map(roleToWire) },
    password,
  };
  const { user } = await askTier(command, Directory, (directory) =>
    directory.createUser(request, { signal: command.signal }),
  );
  return told(user, 0n, command);
}

/** `sallyport users set` */
export function runUserSet(name: string, o: UserSetOptions, command: CommandContext): Promise<Outcome> {
  const { displayName, groups, addGroups, removeGroups, roles } = o;
  if ([displayName, groups, addGroups, removeGroups, roles].every((given) => given === undefined)) {
    throw new UsageError('nothing is to be changed', '`sallyport users set --help` lists what can be');
  }
  return update(command, {
    name,
    ...(displayName !== undefined && { displayName }),
    ...(groups && { groups: { names: [...groups] } }),
    ...(addGroups && { addGroups: { names: [...addGroups] } }),
    ...(removeGroups && { removeGroups: { names: [...removeGroups] } }),
    ...(roles && { roles: { roles: roles.map(roleToWire) } }),
  });
}

/** `sallyport users disable` and `enable` */
export const runUserDisabled = (name: string, disabled: boolean, command: CommandContext): Promise<Outcome> =>
  update(command, { name, disabled });

/** `sallyport users passwd` */
export async function runUserPassword(
  name: string,
  { passwordFile }: UserPasswordOptions,
  command: CommandContext,
): Promise<Outcome> {
  const request = { requestKey: randomUUID(), name, password: await readNewPassword(passwordFile, command) };
  const { position } = await askTier(command, Directory, (directory) =>
    directory.setPassword(request, { signal: command.signal }),
  );
  command.report.say(`${name} has another password; sessions of ${name} have ended.`);
  return { ok: true, items: { name, position: Number(position) } };
}

/** `sallyport users remove` */
export async function runUserRemove(
  name: string,
  { reason }: UserRemoveOptions,
  command: CommandContext,
): Promise<Outcome> {
  const request = { requestKey: randomUUID(), name, reason };
  const { position } = await askTier(command, Directory, (directory) =>
    directory.deleteUser(request, { signal: command.signal }),
  );
  command.report.say(`${name} is removed; sessions and enrolments of ${name} have ended.`);
  return { ok: true, items: { name, position: Number(position) } };
}

async function update(
  command: CommandContext,
  change: {
    readonly name: string;
    readonly displayName?: string;
    readonly groups?: { names: string[] };
    readonly addGroups?: { names: string[] };
    readonly removeGroups?: { names: string[] };
    readonly roles?: { roles: ReturnType<typeof roleToWire>[] };
    readonly disabled?: boolean;
  },
): Promise<Outcome> {
  const request = { ...change, requestKey: randomUUID() };
  const { user, position } = await askTier(command, Directory, (directory) =>
    directory.updateUser(request, { signal: command.signal }),
  );
  return told(user, position, command);
}

function told(user: User | undefined, position: bigint, { report }: CommandContext): Outcome {
  if (user === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no user' });
  for (const line of userLines(user)) report.say(line);
  if (position > 0n) report.say(`Sessions of ${user.name} have ended.`);
  return { ok: true, items: { user: userJson(user), position: Number(position) } };
}
