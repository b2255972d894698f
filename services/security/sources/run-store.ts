import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { SyncKind, type SyncRun, SyncRunSchema, SyncState } from '#gen/sallyport/directory/v1/sources_pb.js';
import type { SecurityTables } from '../store/tables.ts';
import { settingsFromText } from './settings.ts';
import { newRunId, noSource } from './source-store.ts';

export interface RunOrder {
  readonly source: string;
  readonly kind: SyncKind;
  readonly dryRun: boolean;
  readonly confirm: string;
  /** Empty: it was due. */
  readonly orderedBy: string;
}

export const runToText = (run: SyncRun): string => JSON.stringify(toJson(SyncRunSchema, run));
export const runFromText = (text: string): SyncRun =>
  fromJson(SyncRunSchema, JSON.parse(text) as JsonValue, { ignoreUnknownFields: true });

/** Orders one. @throws NOT_FOUND, SOURCE_INVALID */
export async function orderRun(
  trx: Kysely<SecurityTables>,
  order: RunOrder,
  nowMs: number,
): Promise<SyncRun> {
  const source = await trx
    .selectFrom('sources')
    .select('settings')
    .where('name', '=', order.source)
    .executeTakeFirst();
  if (source === undefined) throw noSource(order.source);
  if (order.kind !== SyncKind.RETIRE && settingsFromText(source.settings).scim) {
    throw new SallyportError('SOURCE_INVALID', {
      message: `users of ${order.source} are pushed, and not read`,
      hint: 'whoever pushes them sends them again',
    });
  }
  const id = newRunId();
  const run = create(SyncRunSchema, {
    ...order,
    id,
    state: SyncState.QUEUED,
    createdAt: timestampFromMs(nowMs),
  });
  await trx
    .insertInto('sync_runs')
    .values({
      id,
      source: order.source,
      state: 'queued',
      cancelled: 0,
      report: runToText(run),
      created_ms: nowMs,
    })
    .execute();
  return run;
}

/** @throws NOT_FOUND */
export async function readRun(db: Kysely<SecurityTables>, id: string): Promise<SyncRun> {
  const row = await db.selectFrom('sync_runs').select('report').where('id', '=', id).executeTakeFirst();
  if (row === undefined) {
    throw new SallyportError('NOT_FOUND', {
      message: `there is no synchronisation "${id}"; they are kept for a week`,
    });
  }
  return runFromText(row.report);
}
