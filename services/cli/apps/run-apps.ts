import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { toJson } from '@bufbuild/protobuf';
import {
  AppCatalog,
  type Channel,
  ChannelSchema,
  type Release,
  ReleaseSchema,
  VersionRulesSchema,
} from '#gen/sallyport/catalog/v1/catalog_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { UsageError } from '../failure.ts';
import { type ListOptions, readList, showList } from '../list.ts';
import type { Outcome } from '../report.ts';
import { table } from '../table.ts';
import { timeText } from '../time-text.ts';
import { uploadDeltas } from './upload-deltas.ts';
import { requireContent, uploadPackage } from './upload-package.ts';

export interface AppOptions extends CommonOptions {
  readonly app?: string;
  readonly platform?: string;
  readonly channel?: string;
}
export interface UploadOptions extends AppOptions {
  readonly version: string;
  readonly notes: string;
  readonly deltaFrom?: readonly string[];
  /** False with --no-delta. */
  readonly delta: boolean;
}
export interface RolloutOptions extends AppOptions {
  readonly percent: number;
  readonly groups?: readonly string[];
  readonly maxFailures: number;
  readonly minReports: number;
}
export interface HaltOptions extends AppOptions {
  readonly why: string;
}
export interface VersionsOptions extends AppOptions {
  readonly min: string;
  readonly blocked?: readonly string[];
}

const always = { alwaysEmitImplicit: true };
const releaseJson = (release: Release) => toJson(ReleaseSchema, release, always);

/** `sallyport apps upload` */
export async function runUpload(file: string, o: UploadOptions, command: CommandContext): Promise<Outcome> {
  const { report, signal, cwd } = command;
  const name = { ...appOf(o), version: o.version };
  let told = 0;
  const onProgress = (bytes: number, length: number): void => {
    const tenth = Math.floor((bytes * 10) / length);
    if (tenth > told) report.progress(`${tenth * 10} % of ${length} bytes`);
    told = Math.max(told, tenth);
  };
  const upload = { file: resolve(cwd, file), name, notes: o.notes };
  await requireContent(upload.file);
  const release = await askTier(command, AppCatalog, (catalog) =>
    uploadPackage(catalog, upload, { signal, onProgress }),
  );
  report.say(`${name.appId} ${name.version} for ${name.platform} is published; \`apps rollout\` offers it.`);
  const deltas = o.delta
    ? await askTier(command, AppCatalog, (catalog) => uploadDeltas(catalog, upload, o.deltaFrom, { signal }))
    : [];
  for (const { fromVersion, share, uploaded } of deltas) {
    const saves = `${Math.round(100 * (1 - share))} % less to download`;
    report.say(
      uploaded
        ? `Delta from ${fromVersion}: ${saves}.`
        : `No delta from ${fromVersion}: it would be ${saves}.`,
    );
  }
  return { ok: true, items: { release: release && releaseJson(release), deltas } };
}

/** `sallyport apps list` */
export async function runReleases(
  o: ListOptions & { readonly app?: string },
  command: CommandContext,
): Promise<Outcome> {
  const { signal } = command;
  const list = await readList(o, command, (page) =>
    askTier(command, AppCatalog, async (catalog) => {
      const asked = { ...page, appId: o.app ?? '' };
      const { releases, nextPageToken } = await catalog.listReleases(asked, { signal });
      return { entries: releases, next: nextPageToken };
    }),
  );
  return showList(command, list, {
    what: ['release', 'releases'],
    head: ['app', 'platform', 'version', 'bytes', 'published', 'deltas from', 'reports', 'failures', ''],
    row: ({ name, length, createdAt, deltas, reports, failures, withdrawn }) => [
      ...[name?.appId ?? '', name?.platform ?? '', name?.version ?? '', String(length), timeText(createdAt)],
      deltas.map(({ fromVersion }) => fromVersion).join(', ') || '-',
      ...[String(reports), String(failures), withdrawn ? 'withdrawn' : ''],
    ],
    json: releaseJson,
  });
}

/** `sallyport apps channels` */
export async function runChannels({ app = '' }: AppOptions, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const { channels, rules } = await askTier(command, AppCatalog, (catalog) =>
    catalog.listChannels({ appId: app }, { signal }),
  );
  const rows = channels.map((each) => [
    ...[each.name?.appId ?? '', each.name?.platform ?? '', each.name?.channel ?? '', each.version],
    `${each.percent} %`,
    each.groups.join(', ') || '-',
    each.previousVersion || '-',
    each.haltedWhy ? `halted: ${each.haltedWhy}` : '',
  ]);
  const head = ['app', 'platform', 'channel', 'offers', 'to', 'and groups', 'the others', ''];
  if (rows.length > 0) for (const line of table(head, rows)) report.say(line);
  else report.say('Nothing is rolled out.');
  for (const { appId, platform, minVersion, blocked } of rules) {
    const lowest = minVersion === '' ? 'any version' : `${minVersion} or newer`;
    const but = blocked.length === 0 ? '' : `, but not ${blocked.join(', ')}`;
    report.say(`${appId} for ${platform} opens sessions with ${lowest}${but}.`);
  }
  return {
    ok: true,
    items: {
      channels: channels.map((each) => toJson(ChannelSchema, each, always)),
      rules: rules.map((each) => toJson(VersionRulesSchema, each, always)),
    },
  };
}

/** `sallyport apps rollout` */
export async function runRollout(
  version: string,
  o: RolloutOptions,
  command: CommandContext,
): Promise<Outcome> {
  const request = {
    name: channelOf(o),
    version,
    percent: o.percent,
    groups: [...(o.groups ?? [])],
    maxFailurePercent: o.maxFailures,
    minReports: o.minReports,
  };
  const { channel } = await askTier(command, AppCatalog, (catalog) =>
    catalog.setRollout(request, { signal: command.signal }),
  );
  return told(channel, command);
}

/** `sallyport apps halt` and `resume` */
export async function runHalt(why: string, o: AppOptions, command: CommandContext): Promise<Outcome> {
  const { channel } = await askTier(command, AppCatalog, (catalog) =>
    catalog.haltRollout({ name: channelOf(o), why }, { signal: command.signal }),
  );
  return told(channel, command);
}

/** `sallyport apps rollback` */
export async function runRollback(version: string, o: AppOptions, command: CommandContext): Promise<Outcome> {
  const { channel } = await askTier(command, AppCatalog, (catalog) =>
    catalog.rollBack({ name: channelOf(o), version }, { signal: command.signal }),
  );
  command.report.say(`${version} is withdrawn.`);
  return told(channel, command);
}

/** `sallyport apps versions` */
export async function runVersions(o: VersionsOptions, command: CommandContext): Promise<Outcome> {
  const rules = { ...appOf(o), minVersion: o.min, blocked: [...(o.blocked ?? [])] };
  await askTier(command, AppCatalog, (catalog) => catalog.setVersions({ rules }, { signal: command.signal }));
  command.report.say(`It counts for sessions that are opened from now on.`);
  return { ok: true, items: { rules } };
}

/** `sallyport apps remove` */
export async function runRemove(version: string, o: AppOptions, command: CommandContext): Promise<Outcome> {
  const name = { ...appOf(o), version };
  await askTier(command, AppCatalog, (catalog) =>
    catalog.removeRelease({ name }, { signal: command.signal }),
  );
  command.report.say(`${name.appId} ${version} for ${name.platform} is removed; its bytes go within a day.`);
  return { ok: true, items: { removed: name } };
}

/** `sallyport apps rotate-keys` */
export async function runRotate(role: string, command: CommandContext): Promise<Outcome> {
  const requestKey = randomUUID();
  const { keyId } = await askTier(command, AppCatalog, (catalog) =>
    catalog.rotateKeys({ requestKey, role }, { signal: command.signal }),
  );
  command.report.say(`${role} is signed by the key ${keyId} from now on; the one before is destroyed.`);
  return { ok: true, items: { role, keyId } };
}

function told(channel: Channel | undefined, { report }: CommandContext): Outcome {
  if (channel === undefined) return { ok: false };
  const { name, version, percent, groups, previousVersion, haltedWhy } = channel;
  const to = `${percent} % of the devices${groups.length > 0 ? ` and the groups ${groups.join(', ')}` : ''}`;
  report.say(`${name?.channel} of ${name?.appId} for ${name?.platform} offers ${version} to ${to}.`);
  if (previousVersion !== '') report.say(`The others are offered ${previousVersion}.`);
  if (haltedWhy !== '') report.say(`It is halted: ${haltedWhy}`);
  return { ok: true, items: { channel: toJson(ChannelSchema, channel, always) } };
}

/** @throws UsageError */
function appOf({ app, platform }: AppOptions): { appId: string; platform: string } {
  if (!app || !platform)
    throw new UsageError('it is not said which app', 'name it with --app and --platform');
  return { appId: app, platform: platform.toLowerCase() };
}

const channelOf = (o: AppOptions) => ({ ...appOf(o), channel: o.channel ?? 'stable' });
