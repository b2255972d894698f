import { randomUUID } from 'node:crypto';
import { toJson } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import { type Source, SourceSchema, Sources } from '#gen/sallyport/directory/v1/sources_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext } from '../command.ts';
import { readSecretFile } from '../device/read-secret.ts';
import { UsageError } from '../failure.ts';
import type { Outcome } from '../report.ts';
import { table } from '../table.ts';
import { timeText } from '../time-text.ts';
import { changed, newSettings, type SettingsOptions } from './settings-options.ts';

const json = (source: Source): unknown => toJson(SourceSchema, source, { alwaysEmitImplicit: true });

/** `sallyport sources list` */
export async function runSourceList(command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const { sources } = await askTier(command, Sources, (tier) => tier.listSources({}, { signal }));
  const head = ['name', 'precedence', 'hosts', 'users', 'groups', 'in step'];
  const rows = sources.map((source) => [
    source.name,
    String(source.settings?.precedence ?? 0),
    source.settings?.scim ? 'pushed by SCIM' : (source.settings?.urls.join(' ') ?? ''),
    String(source.users),
    String(source.groups),
    source.settings?.scim ? '-' : source.syncedAt === undefined ? 'never' : timeText(source.syncedAt),
  ]);
  if (rows.length > 0) for (const line of table(head, rows)) report.say(line);
  report.say(`${sources.length} ${sources.length === 1 ? 'source' : 'sources'}`);
  return { ok: true, items: { items: sources.map(json) } };
}

/** `sallyport sources show` */
export const runSourceShow = async (name: string, command: CommandContext): Promise<Outcome> =>
  told(await sourceOf(name, command), command);

/** `sallyport sources add` */
export function runSourceAdd(name: string, o: SettingsOptions, command: CommandContext): Promise<Outcome> {
  if (!o.scim && (o.url === undefined || o.users === undefined)) {
    throw new UsageError(
      'a source needs --url and --users, or --scim',
      '`sallyport sources add --help` has examples',
    );
  }
  return put(name, 0, changed(newSettings(), o, command), o, command);
}

/** `sallyport sources set` */
export async function runSourceSet(
  name: string,
  o: SettingsOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { settings, revision } = await sourceOf(name, command);
  return put(name, revision, changed(settings ?? newSettings(), o, command), o, command);
}

/** `sallyport sources test` */
export async function runSourceTest(name: string, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const { hosts, pod } = await askTier(command, Sources, (tier) => tier.testSource({ name }, { signal }));
  for (const host of hosts) {
    report.say(
      `${host.ok ? '✓' : '✗'} ${host.url}: ${host.ok ? host.kind : host.error} (${host.ms} ms from ${pod})`,
    );
    if (host.users.length > 0) report.say(`  users such as ${host.users.join(', ')}`);
    if (host.groups.length > 0) report.say(`  groups such as ${host.groups.join(', ')}`);
    for (const problem of host.problems) report.say(`  ! ${problem}`);
  }
  const items = hosts.map(({ $typeName: _, ...host }) => host);
  return { ok: hosts.every(({ ok }) => ok), items: { items, pod } };
}

async function put(
  name: string,
  revision: number,
  settings: ReturnType<typeof newSettings>,
  { passwordFile }: SettingsOptions,
  command: CommandContext,
): Promise<Outcome> {
  const password = passwordFile === undefined ? undefined : await readSecretFile(passwordFile, command);
  const request = {
    requestKey: randomUUID(),
    name,
    revision,
    settings,
    ...(password !== undefined && { password }),
  };
  const { source } = await askTier(command, Sources, (tier) =>
    tier.putSource(request, { signal: command.signal }),
  );
  if (source === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no source' });
  return told(source, command);
}

async function sourceOf(name: string, command: CommandContext): Promise<Source> {
  const { source } = await askTier(command, Sources, (tier) =>
    tier.getSource({ name }, { signal: command.signal }),
  );
  if (source === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no source' });
  return source;
}

function told(source: Source, { report }: CommandContext): Outcome {
  const { settings } = source;
  const seconds = (n: number | undefined): string => (n === 0 ? 'only when asked to' : `every ${n} s`);
  const anywhere = settings?.hosts.length === 0 ? 'anywhere' : settings?.hosts.join(', ');
  const pushed: [string, string | undefined][] = [
    ['name', source.name],
    ['users', 'pushed by SCIM 2.0 (`sallyport scim-tokens`)'],
    ['precedence', String(settings?.precedence)],
    ['asks above', `${settings?.maxRemovalPercent} % of its users within an hour, ten in any case`],
    ['taken away within an hour', `${source.takenLately} users`],
    ['has', `${source.users} users, ${source.groups} groups`],
  ];
  const read: [string, string | undefined][] = [
    ['name', source.name],
    ['hosts', settings?.urls.join(', ')],
    [
      'TLS',
      `${settings?.startTls ? 'StartTLS, ' : ''}${settings?.caPem ? 'own authorities' : 'authorities of the machine'}`,
    ],
    ['account', `${settings?.bindDn || 'anonymous'}${source.hasPassword ? ', with a password' : ''}`],
    ['users', `${settings?.usersBase} ${settings?.userFilter}`],
    ['groups', settings?.groupsBase === '' ? 'none' : `${settings?.groupsBase} ${settings?.groupFilter}`],
    ['precedence', String(settings?.precedence)],
    [`sources.${source.name}.hosts`, anywhere],
    [
      'synchronised',
      `${seconds(settings?.syncEverySeconds)}, all of it ${seconds(settings?.fullEverySeconds)}`,
    ],
    ['asks above', `${settings?.maxRemovalPercent} % of its users`],
    ['without it', settings?.offlineVerifier ? 'the last right password counts' : 'its users cannot log in'],
    ['has', `${source.users} users, ${source.groups} groups`],
    ['in step', source.syncedAt === undefined ? 'never' : timeText(source.syncedAt)],
    ['last run', source.lastRun || '-'],
  ];
  const rows = (settings?.scim ? pushed : read).map(([what, value = '']) => [what, value.trim()]);
  for (const line of table(rows[0] ?? [], rows.slice(1))) report.say(line);
  return { ok: true, items: { source: json(source) } };
}
