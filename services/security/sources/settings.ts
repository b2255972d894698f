import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { FilterParser } from 'ldapts';
import { SallyportError } from '#core/errors/error.ts';
import { type SourceSettings, SourceSettingsSchema } from '#gen/sallyport/directory/v1/sources_pb.js';
import { assertEncrypted } from '#kernel/ldap/ldap-session.ts';
import type { Dialect } from './dialect.ts';

export type Settings = SourceSettings;

export const settingsToText = (settings: Settings): string =>
  JSON.stringify(toJson(SourceSettingsSchema, settings));

/** What a newer release has added is left alone. */
export const settingsFromText = (text: string): Settings =>
  fromJson(SourceSettingsSchema, JSON.parse(text) as JsonValue, { ignoreUnknownFields: true });

/** What the contract's rules cannot say. @throws SOURCE_INVALID */
export function checkSettings(settings: Settings): Settings {
  const { scim, urls, usersBase } = settings;
  if (scim !== (urls.length === 0) || scim !== (usersBase === '')) {
    throw new SallyportError('SOURCE_INVALID', {
      message: scim
        ? 'what users are pushed to has no hosts'
        : 'a directory has hosts, and a place where users are',
    });
  }
  for (const url of settings.urls) assertEncrypted({ url, startTls: settings.startTls });
  for (const filter of [settings.userFilter, settings.groupFilter]) {
    try {
      if (filter !== '') FilterParser.parseString(filter);
    } catch (cause) {
      throw new SallyportError('SOURCE_INVALID', {
        message: `${filter} is no LDAP filter (RFC 4515): ${String(cause)}`,
      });
    }
  }
  return create(SourceSettingsSchema, settings);
}

/** The settings with what follows from the kind of directory. */
export interface Effective {
  readonly userFilter: string;
  readonly groupFilter: string;
  readonly login: string;
  readonly display: readonly string[];
  readonly groupName: string;
  readonly member: string;
  readonly disabled: string;
  readonly disabledValues: readonly string[];
}

export function effective(settings: Settings, { activeDirectory }: Dialect): Effective {
  const or = (given: string, ldap: string, ad = ldap): string =>
    given === '' ? (activeDirectory ? ad : ldap) : given;
  return {
    userFilter: or(
      settings.userFilter,
      '(objectClass=inetOrgPerson)',
      '(&(objectCategory=person)(objectClass=user))',
    ),
    groupFilter: or(settings.groupFilter, '(objectClass=groupOfNames)', '(objectClass=group)'),
    login: or(settings.loginAttribute, 'uid', 'sAMAccountName'),
    display: settings.displayAttribute === '' ? ['displayName', 'cn'] : [settings.displayAttribute],
    groupName: or(settings.groupNameAttribute, 'cn'),
    member: or(settings.memberAttribute, 'member'),
    disabled: or(settings.disabledAttribute, 'pwdAccountLockedTime', 'userAccountControl'),
    disabledValues: settings.disabledValues,
  };
}

/** Whether every list of pods and hosts has one of these names; an empty one, or `localhost` in it, has any. */
export const mayRunOn = (names: readonly string[], ...lists: readonly (readonly string[])[]): boolean =>
  lists.every(
    (list) => list.length === 0 || list.some((each) => each === 'localhost' || names.includes(each)),
  );
