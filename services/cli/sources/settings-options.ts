import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type SourceSettings, SourceSettingsSchema } from '#gen/sallyport/directory/v1/sources_pb.js';
import { type CommandContext, type CommonOptions, wholeNumber } from '../command.ts';

/** Options of `sources add` and `sources set`; what is absent stays. */
export interface SettingsOptions extends CommonOptions {
  readonly url?: readonly string[];
  readonly startTls?: boolean;
  readonly ca?: string;
  readonly bindDn?: string;
  readonly passwordFile?: string;
  readonly users?: string;
  readonly userFilter?: string;
  readonly groups?: string;
  readonly groupFilter?: string;
  readonly login?: string;
  readonly display?: string;
  readonly groupName?: string;
  readonly member?: string;
  readonly disabled?: readonly string[];
  readonly precedence?: number;
  readonly hosts?: readonly string[];
  readonly maxRemoval?: number;
  readonly every?: number;
  readonly fullEvery?: number;
  readonly offline?: boolean;
  readonly timeout?: number;
  readonly pageSize?: number;
  /** Of `sources add` only. */
  readonly scim?: boolean;
}

export const withSettings = (command: Command): Command =>
  command
    .option('--url <urls>', 'hosts, tried in turn: ldaps://a.example,ldaps://b.example', list)
    .option('--start-tls', 'begin TLS on ldap://')
    .option('--no-start-tls', 'do not')
    .option('--ca <file>', "authorities whose certificates are taken, PEM; '' for those of the machine")
    .option('--bind-dn <dn>', 'account that reads the directory')
    .option('--password-file <file>', 'file whose first line is its password; - is standard input')
    .option('--users <base>', 'where users are: ou=people,dc=example,dc=org')
    .option('--user-filter <filter>', 'which entries are users (default: inetOrgPerson)')
    .option('--groups <base>', 'where groups are')
    .option('--group-filter <filter>', 'which entries are groups (default: groupOfNames)')
    .option('--login <attribute>', 'the name to log in with (default: uid, sAMAccountName)')
    .option('--display <attribute>', 'the name to show (default: displayName, else cn)')
    .option('--group-name <attribute>', 'name of a group (default: cn)')
    .option('--member <attribute>', 'members of a group (default: member)')
    .option(
      '--disabled <attribute=values>',
      'what says that a user is disabled: accountStatus=off,gone',
      disabled,
    )
    .option(
      '--precedence <n>',
      'whose user counts where several have one of a name: the lowest',
      wholeNumber(0, 1000),
    )
    .option('--hosts <names>', "pods or hosts on which it may run; '' for any", list)
    .option(
      '--max-removal <percent>',
      'share of users that one synchronisation, or pushes within an hour, may take away unasked',
      wholeNumber(0, 100),
    )
    .option(
      '--every <seconds>',
      'between two synchronisations; 0: only when asked to',
      wholeNumber(0, 604_800),
    )
    .option('--full-every <seconds>', 'between two that read everything', wholeNumber(0, 2_592_000))
    .addOption(new Option('--offline', 'let users in by the last right password when no host answers'))
    .option('--no-offline', 'do not')
    .option('--timeout <ms>', 'for which a host may be silent', wholeNumber(100, 60_000))
    .option('--page-size <n>', 'entries that are asked for at once', wholeNumber(10, 5000));

/** What a new source has where no option says otherwise. */
export const newSettings = (): SourceSettings =>
  create(SourceSettingsSchema, {
    precedence: 100,
    maxRemovalPercent: 5,
    syncEverySeconds: 60,
    fullEverySeconds: 86_400,
    timeoutMs: 10_000,
    pageSize: 500,
  });

/** The settings with what the options say. */
export function changed(before: SourceSettings, o: SettingsOptions, { cwd }: CommandContext): SourceSettings {
  const caPem = o.ca === undefined || o.ca === '' ? o.ca : readFileSync(resolve(cwd, o.ca), 'utf8');
  const given = {
    urls: o.url,
    startTls: o.startTls,
    caPem,
    bindDn: o.bindDn,
    usersBase: o.users,
    userFilter: o.userFilter,
    groupsBase: o.groups,
    groupFilter: o.groupFilter,
    loginAttribute: o.login,
    displayAttribute: o.display,
    groupNameAttribute: o.groupName,
    memberAttribute: o.member,
    disabledAttribute: o.disabled?.[0],
    disabledValues: o.disabled?.slice(1),
    precedence: o.precedence,
    hosts: o.hosts,
    maxRemovalPercent: o.maxRemoval,
    syncEverySeconds: o.every,
    fullEverySeconds: o.fullEvery,
    offlineVerifier: o.offline,
    timeoutMs: o.timeout,
    pageSize: o.pageSize,
    scim: o.scim,
  };
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return create(SourceSettingsSchema, { ...before, ...said });
}

function list(text: string): string[] {
  return [...new Set(text.split(',').map((each) => each.trim()))].filter((each) => each !== '');
}

/** The attribute, then its values. */
function disabled(text: string): string[] {
  const [, attribute = '', values] = /^([A-Za-z][A-Za-z0-9;.-]*)(?:=(.*))?$/.exec(text) ?? [];
  if (attribute === '') throw new InvalidArgumentError('It must be ATTRIBUTE or ATTRIBUTE=VALUE,VALUE.');
  return [attribute, ...list(values ?? '')];
}
