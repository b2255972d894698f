import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { CatalogDeltaRow, CatalogReleaseRow } from '../store/tables-catalog.ts';
import { lockCatalogue, type PublishContext, publish } from './publish.ts';

type Db = Kysely<SecurityTables>;

export interface ReleaseKey {
  readonly appId: string;
  readonly platform: string;
  readonly version: string;
}

export interface ReleaseDetails extends CatalogReleaseRow {
  readonly deltas: readonly CatalogDeltaRow[];
  readonly reports: number;
  readonly failures: number;
}

const where = ({ appId, platform, version }: ReleaseKey) => ({ app_id: appId, platform, version });

/** Newest first. `after` is the last one of the page before. */
export async function listReleases(
  db: Db,
  page: {
    readonly key?: ReleaseKey | undefined;
    readonly appId?: string | undefined;
    readonly after?: (ReleaseKey & { readonly createdMs: number }) | undefined;
    readonly limit: number;
  },
): Promise<ReleaseDetails[]> {
  const { key, appId, after } = page;
  const rows = await db
    .selectFrom('catalog_releases')
    .selectAll()
    .$if(key !== undefined, (q) => q.where((e) => e.and(key ? where(key) : {})))
    .$if(appId !== undefined, (q) => q.where('app_id', '=', appId ?? ''))
    .$if(after !== undefined, (q) =>
      q.where(
        sql<boolean>`(created_ms, app_id, platform, version) < (${after?.createdMs}, ${after?.appId}, ${after?.platform}, ${after?.version})`,
      ),
    )
    .orderBy('created_ms', 'desc')
    .orderBy('app_id', 'desc')
    .orderBy('platform', 'desc')
    .orderBy('version', 'desc')
    .limit(page.limit)
    .execute();
  return Promise.all(rows.map(async (row) => ({ ...row, ...(await detailsOf(db, row)) })));
}

/** @throws NOT_FOUND */
export async function findRelease(db: Db, key: ReleaseKey): Promise<ReleaseDetails> {
  const [row] = await listReleases(db, { key, limit: 1 });
  if (row !== undefined) return row;
  const { appId, version, platform } = key;
  throw new SallyportError('NOT_FOUND', {
    message: `there is no release ${appId} ${version} for ${platform}`,
    hint: '`sallyport apps list` shows what there is',
  });
}

/** Its bytes go later. @throws NOT_FOUND, CHANGE_REFUSED */
export async function removeRelease(trx: Db, key: ReleaseKey, context: PublishContext): Promise<void> {
  await lockCatalogue(trx);
  await findRelease(trx, key);
  const { appId, platform, version } = key;
  const channel = await trx
    .selectFrom('catalog_channels')
    .select('channel')
    .where('app_id', '=', appId)
    .where('platform', '=', platform)
    .where((e) => e.or([e('version', '=', version), e('previous_version', '=', version)]))
    .executeTakeFirst();
  if (channel !== undefined) {
    throw new SallyportError('CHANGE_REFUSED', {
      message: `the channel ${channel.channel} offers ${version}, or goes back to it`,
      hint: 'roll something else out first',
    });
  }
  await trx
    .deleteFrom('catalog_releases')
    .where((e) => e.and(where(key)))
    .execute();
  await trx
    .deleteFrom('catalog_deltas')
    .where('app_id', '=', appId)
    .where('platform', '=', platform)
    .where((e) => e.or([e('version', '=', version), e('from_version', '=', version)]))
    .execute();
  await trx
    .deleteFrom('catalog_reports')
    .where((e) => e.and(where(key)))
    .execute();
  await publish(trx, context);
}

async function detailsOf(db: Db, { app_id, platform, version }: CatalogReleaseRow) {
  const deltas = await db
    .selectFrom('catalog_deltas')
    .selectAll()
    .where((e) => e.and({ app_id, platform, version }))
    .orderBy('from_version')
    .execute();
  return { deltas, ...(await countReports(db, { appId: app_id, platform, version }, 0)) };
}

/** Devices that have reported since a time (Unix milliseconds), and those of them that failed. */
export async function countReports(db: Db, key: ReleaseKey, sinceMs: number) {
  const row = await db
    .selectFrom('catalog_reports')
    .select(({ fn }) => [fn.countAll<number>().as('reports'), fn.sum<number | null>('failed').as('failures')])
    .where((e) => e.and(where(key)))
    .where('reported_ms', '>=', sinceMs)
    .executeTakeFirstOrThrow();
  return { reports: Number(row.reports), failures: Number(row.failures ?? 0) };
}
