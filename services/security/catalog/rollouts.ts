import { createHash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { bucketOf, offer, type Rollout, refused, type VersionRules } from '#core/catalog/rollout.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { CatalogChannelRow } from '../store/tables-catalog.ts';
import { lockCatalogue, type PublishContext, publish } from './publish.ts';
import { countReports, findRelease, type ReleaseKey } from './releases.ts';

type Db = Kysely<SecurityTables>;

export interface ChannelKey {
  readonly appId: string;
  readonly platform: string;
  readonly channel: string;
}

export interface NewRollout {
  readonly version: string;
  readonly percent: number;
  readonly groups: readonly string[];
  readonly maxFailurePercent: number;
  readonly minReports: number;
}

const where = ({ appId, platform, channel }: ChannelKey) => ({ app_id: appId, platform, channel });

export function listChannels(db: Db, appId: string): Promise<CatalogChannelRow[]> {
  return db
    .selectFrom('catalog_channels')
    .selectAll()
    .$if(appId !== '', (q) => q.where('app_id', '=', appId))
    .orderBy('app_id')
    .orderBy('platform')
    .orderBy('channel')
    .limit(1000)
    .execute();
}

/** @throws NOT_FOUND */
export async function findChannel(db: Db, key: ChannelKey): Promise<CatalogChannelRow> {
  const row = await db
    .selectFrom('catalog_channels')
    .selectAll()
    .where((e) => e.and(where(key)))
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw new SallyportError('NOT_FOUND', {
    message: `${key.appId} has no channel ${key.channel} for ${key.platform}`,
    hint: '`sallyport apps rollout` makes one',
  });
}

/**
 * Offers a release in a channel. Another one than before takes the place of that, which the others are offered from
 * then on, unless it was withdrawn or halted. @throws NOT_FOUND, CHANGE_REFUSED
 */
export async function setRollout(
  trx: Db,
  key: ChannelKey,
  rollout: NewRollout,
  nowMs: number,
): Promise<void> {
  await lockCatalogue(trx);
  const { version } = rollout;
  const { appId, platform } = key;
  const release = await findRelease(trx, { appId, platform, version });
  if (release.withdrawn !== 0) {
    throw new SallyportError('CHANGE_REFUSED', {
      message: `${version} was withdrawn`,
      hint: 'publish a newer one',
    });
  }
  const before = await trx
    .selectFrom('catalog_channels')
    .selectAll()
    .where((e) => e.and(where(key)))
    .executeTakeFirst();
  const goesOn = before?.version === version;
  // What was halted, nobody is to go back to.
  const last = before?.halted_why === null ? before.version : (before?.previous_version ?? null);
  const set = {
    version,
    previous_version: goesOn ? before.previous_version : last,
    percent: rollout.percent,
    groups_json: JSON.stringify(rollout.groups),
    max_failure_percent: rollout.maxFailurePercent,
    min_reports: rollout.minReports === 0 ? 20 : rollout.minReports,
    counted_from_ms: goesOn ? before.counted_from_ms : nowMs,
    halted_why: goesOn ? before.halted_why : null,
    changed_ms: nowMs,
  };
  await trx
    .insertInto('catalog_channels')
    .values({ ...where(key), ...set })
    .onDuplicateKeyUpdate(set)
    .execute();
}

/** Halts, or goes on for an empty reason. @throws NOT_FOUND */
export async function haltRollout(trx: Db, key: ChannelKey, why: string, nowMs: number): Promise<void> {
  await lockCatalogue(trx);
  await findChannel(trx, key);
  await trx
    .updateTable('catalog_channels')
    .set({
      halted_why: why === '' ? null : why,
      changed_ms: nowMs,
      ...(why === '' && { counted_from_ms: nowMs }),
    })
    .where((e) => e.and(where(key)))
    .execute();
}

/** @throws NOT_FOUND, CHANGE_REFUSED */
export async function rollBack(
  trx: Db,
  key: ChannelKey,
  version: string,
  context: PublishContext,
): Promise<void> {
  await lockCatalogue(trx);
  const channel = await findChannel(trx, key);
  const { previous_version: previous } = channel;
  const { appId, platform } = key;
  const release = await findRelease(trx, { appId, platform, version });
  // Done already: the answer to the first call was lost.
  if (release.withdrawn !== 0 && channel.version !== version) return;
  if (channel.version !== version || previous === null) {
    throw new SallyportError('CHANGE_REFUSED', {
      message:
        previous === null
          ? `${key.channel} has no release before ${channel.version}`
          : `${key.channel} offers ${channel.version}, not ${version}`,
      hint: '`sallyport apps channels` shows what it offers',
    });
  }
  await trx
    .updateTable('catalog_releases')
    .set({ withdrawn: 1 })
    .where((e) => e.and({ app_id: appId, platform, version }))
    .execute();
  await trx
    .updateTable('catalog_channels')
    .set({
      version: previous,
      previous_version: null,
      percent: 100,
      groups_json: '[]',
      halted_why: null,
      counted_from_ms: context.nowMs,
      changed_ms: context.nowMs,
    })
    .where((e) => e.and(where(key)))
    .execute();
  await publish(trx, context);
}

/** None: every version may be used. */
export async function readRules(db: Db, appId: string, platform: string): Promise<VersionRules> {
  const row = await db
    .selectFrom('catalog_versions')
    .selectAll()
    .where('app_id', '=', appId)
    .where('platform', '=', platform)
    .executeTakeFirst();
  return row === undefined
    ? { minVersion: '', blocked: [] }
    : { minVersion: row.min_version, blocked: JSON.parse(row.blocked_json) as string[] };
}

export interface Asking {
  readonly installed: ReleaseKey;
  readonly channel: string;
  readonly deviceId: string;
  readonly groups: readonly string[];
}

/** What a device is offered; undefined: to stay as it is. */
export async function checkUpdate(db: Db, { installed, channel, deviceId, groups }: Asking) {
  const { appId, platform } = installed;
  const rules = await readRules(db, appId, platform);
  const row = await db
    .selectFrom('catalog_channels')
    .selectAll()
    .where((e) => e.and(where({ appId, platform, channel })))
    .executeTakeFirst();
  const withdrawn = await db
    .selectFrom('catalog_releases')
    .select('version')
    .where((e) => e.and({ app_id: appId, platform, withdrawn: 1 }))
    .execute();
  const rollout: Rollout | undefined = row && {
    version: row.version,
    previous: row.previous_version ?? undefined,
    percent: row.percent,
    groups: JSON.parse(row.groups_json) as string[],
    halted: row.halted_why !== null,
  };
  const line = createHash('sha256').update(`${appId}/${row?.version}/${deviceId}`).digest();
  return {
    version: offer(rollout, rules, {
      installed: installed.version,
      groups,
      bucket: bucketOf(line),
      withdrawn: new Set(withdrawn.map(({ version }) => version)),
    }),
    mandatory: refused(rules, installed.version) !== undefined,
  };
}

/**
 * Counts what a device tells of a release: once, and a failure stays one. Channels that roll it out are halted when
 * too many fail; told is which.
 */
export async function takeReport(
  trx: Db,
  key: ReleaseKey,
  report: { readonly deviceId: string; readonly failed: boolean; readonly nowMs: number },
): Promise<readonly { readonly channel: string; readonly why: string }[]> {
  const { appId, platform, version } = key;
  const { deviceId, nowMs } = report;
  const release = { app_id: appId, platform, version };
  // Under its lock, so that two reports at once are both counted by the second.
  const channels = await trx
    .selectFrom('catalog_channels')
    .selectAll()
    .where((e) => e.and(release))
    .forUpdate()
    .execute();
  const failed = report.failed ? 1 : 0;
  const since = Math.max(0, ...channels.map((row) => row.counted_from_ms));
  await trx
    .insertInto('catalog_reports')
    .values({ ...release, device_id: deviceId, failed, reported_ms: nowMs })
    .onDuplicateKeyUpdate({
      // In this order: MySQL goes from left to right.
      failed: sql`if(reported_ms < ${since}, ${failed}, greatest(failed, ${failed}))`,
      reported_ms: nowMs,
    })
    .execute();
  const halted: { channel: string; why: string }[] = [];
  for (const row of channels) {
    if (row.halted_why !== null || row.max_failure_percent === 0) continue;
    const { reports, failures } = await countReports(trx, key, row.counted_from_ms);
    if (reports < row.min_reports || failures * 100 <= reports * row.max_failure_percent) continue;
    const why = `${failures} of ${reports} devices failed or crashed, more than ${row.max_failure_percent} %`;
    await trx
      .updateTable('catalog_channels')
      .set({ halted_why: why, changed_ms: nowMs })
      .where((e) => e.and(where({ appId, platform, channel: row.channel })))
      .execute();
    halted.push({ channel: row.channel, why });
  }
  return halted;
}
