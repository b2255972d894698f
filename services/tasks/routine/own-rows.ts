import { type Kysely, sql } from 'kysely';
import type { Db } from '#kernel/db/db.ts';
import type { ScheduleTables } from '../schedules/tables.ts';

export interface ReportPiece {
  readonly mediaType: string;
  readonly data: Uint8Array;
  /** How many there are. */
  readonly pieces: number;
}

/** What tasks write to the database beside their journals; idempotent. */
export interface OwnRows {
  /** Reports are pieces that make a file. Writing a piece again changes nothing: pages are checkpoints. */
  writePiece(taskId: string, piece: number, mediaType: string, data: Uint8Array): Promise<void>;
}

/** Bytes of a piece: it must fit into a gRPC message. */
export const maxPieceBytes = 2_097_152;

export const mysqlOwnRows = (db: Pick<Db<ScheduleTables>, 'tx'>): OwnRows => ({
  writePiece: (taskId, piece, mediaType, data) =>
    db.tx(
      async (trx) => {
        await sql`replace into report_pieces (task_id, piece, media_type, data)
          values (${taskId}, ${piece}, ${mediaType}, ${Buffer.from(data)})`.execute(trx);
      },
      { idempotent: true },
    ),
});

/** Undefined: there is no such piece. */
export async function readPiece(
  on: Kysely<ScheduleTables>,
  taskId: string,
  piece: number,
): Promise<ReportPiece | undefined> {
  const row = await on
    .selectFrom('report_pieces')
    .select(['media_type', 'data'])
    .where('task_id', '=', taskId)
    .where('piece', '=', piece)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { pieces } = await on
    .selectFrom('report_pieces')
    .select(({ fn }) => fn.countAll<number>().as('pieces'))
    .where('task_id', '=', taskId)
    .executeTakeFirstOrThrow();
  return { mediaType: row.media_type, data: row.data, pieces: Number(pieces) };
}
