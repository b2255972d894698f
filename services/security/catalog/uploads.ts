import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import type { SecurityTables } from '../store/tables.ts';
import { lockCatalogue, type PublishContext, publish } from './publish.ts';

/** Bytes of every piece of a package but the last. */
export const chunkBytes = 128 * 1024;
/** Releases that one app may have: all stand in one signed file, which devices read. */
const maxReleases = 500;
/** An upload that nobody goes on with is forgotten after so many milliseconds. */
const abandonedMs = 86_400_000;

type Db = Kysely<SecurityTables>;

/** Whoever began with a wrong length and sent nothing stands in nobody's way. False when something was sent. */
async function beginAnew(trx: Db, sha256: Buffer, length: number): Promise<boolean> {
  const sent = await trx
    .selectFrom('catalog_chunks')
    .select('idx')
    .where('sha256', '=', sha256)
    .limit(1)
    .executeTakeFirst();
  if (sent !== undefined) return false;
  await trx
    .updateTable('catalog_blobs')
    .set({ length })
    .where('sha256', '=', sha256)
    .where('complete', '=', 0)
    .execute();
  return true;
}

export interface PackageName {
  readonly appId: string;
  readonly platform: string;
  readonly version: string;
  /** Of a delta; empty: the whole package. */
  readonly fromVersion: string;
}

/** The first piece that is missing. @throws ALREADY_EXISTS, NOT_FOUND, CHANGE_REFUSED */
export async function beginUpload(
  trx: Db,
  name: PackageName,
  { sha256, length, nowMs }: { readonly sha256: Buffer; readonly length: number; readonly nowMs: number },
): Promise<number> {
  await checkName(trx, name, sha256);
  await trx
    .insertInto('catalog_blobs')
    .values({ sha256, length, complete: 0, created_ms: nowMs })
    .onDuplicateKeyUpdate({ created_ms: nowMs })
    .execute();
  const blob = await findBlob(trx, sha256);
  if (blob?.length !== length && !(await beginAnew(trx, sha256, length))) {
    throw new SallyportError('INVALID_FIELD', {
      message: 'length is not that of the upload with this digest',
    });
  }
  if (blob?.complete !== 0) return Math.ceil(length / chunkBytes);
  const rows = await trx
    .selectFrom('catalog_chunks')
    .select('idx')
    .where('sha256', '=', sha256)
    .orderBy('idx')
    .execute();
  const gap = rows.findIndex(({ idx }, n) => idx !== n);
  return gap === -1 ? rows.length : gap;
}

/** @throws NOT_FOUND, INVALID_FIELD */
export async function putChunk(db: Db, sha256: Buffer, idx: number, bytes: Uint8Array): Promise<void> {
  const blob = await findBlob(db, sha256);
  if (blob === undefined)
    throw new SallyportError('NOT_FOUND', { message: 'no upload with this digest was begun' });
  const expected = Math.min(chunkBytes, blob.length - idx * chunkBytes);
  if (bytes.length !== expected) {
    throw new SallyportError('INVALID_FIELD', {
      message:
        expected > 0 ? `piece ${idx} has ${expected} bytes, not ${bytes.length}` : `there is no piece ${idx}`,
    });
  }
  if (blob.complete !== 0) return;
  await db
    .insertInto('catalog_chunks')
    .values({ sha256, idx, bytes: Buffer.from(bytes) })
    .onDuplicateKeyUpdate({ idx })
    .execute();
}

/**
 * Reads the whole package, a piece at a time, and compares it with its digest; what is not what it should be is
 * forgotten, so that it can be uploaded again. @throws NOT_FOUND, UPLOAD_INCOMPLETE
 */
export async function checkUpload(
  read: <T>(fn: (db: Db) => Promise<T>) => Promise<T>,
  sha256: Buffer,
): Promise<{ readonly length: number }> {
  const blob = await read((db) => findBlob(db, sha256));
  if (blob === undefined)
    throw new SallyportError('NOT_FOUND', { message: 'no upload with this digest was begun' });
  if (blob.complete !== 0) return blob;
  const hash = createHash('sha256');
  const pieces = Math.ceil(blob.length / chunkBytes);
  for (let idx = 0; idx < pieces; idx++) {
    const piece = await read((db) => readChunk(db, sha256, idx));
    if (piece === undefined) {
      throw new SallyportError('UPLOAD_INCOMPLETE', { message: `piece ${idx} of ${pieces} is missing` });
    }
    hash.update(piece);
  }
  if (!hash.digest().equals(sha256)) {
    await read((db) => db.deleteFrom('catalog_chunks').where('sha256', '=', sha256).execute());
    throw new SallyportError('UPLOAD_INCOMPLETE', { message: 'the package is not the one of this digest' });
  }
  return blob;
}

export interface NewPackage extends PackageName {
  readonly sha256: Buffer;
  readonly length: number;
  readonly notes: string;
  readonly author: string;
}

/** A package that was checked becomes a release or a delta, signed. @throws ALREADY_EXISTS, NOT_FOUND, CHANGE_REFUSED */
export async function commitUpload(trx: Db, made: NewPackage, context: PublishContext): Promise<void> {
  await lockCatalogue(trx);
  const { appId, platform, version, fromVersion, sha256, length, notes, author } = made;
  if (await checkName(trx, made, sha256)) return;
  await trx.updateTable('catalog_blobs').set({ complete: 1 }).where('sha256', '=', sha256).execute();
  const name = { app_id: appId, platform, version, sha256, length };
  if (fromVersion !== '') {
    await trx
      .insertInto('catalog_deltas')
      .values({ ...name, from_version: fromVersion })
      .execute();
  } else {
    await trx
      .insertInto('catalog_releases')
      .values({ ...name, notes, author, withdrawn: 0, created_ms: context.nowMs })
      .execute();
  }
  await publish(trx, context);
}

/** True when it is published already. @throws ALREADY_EXISTS, NOT_FOUND, CHANGE_REFUSED */
async function checkName(db: Db, name: PackageName, sha256: Buffer): Promise<boolean> {
  const { appId, platform, version, fromVersion } = name;
  const find = (wanted: string) =>
    db
      .selectFrom('catalog_releases')
      .select('sha256')
      .where('app_id', '=', appId)
      .where('platform', '=', platform)
      .where('version', '=', wanted)
      .executeTakeFirst();
  const there =
    fromVersion === ''
      ? await find(version)
      : await db
          .selectFrom('catalog_deltas')
          .select('sha256')
          .where('app_id', '=', appId)
          .where('platform', '=', platform)
          .where('version', '=', version)
          .where('from_version', '=', fromVersion)
          .executeTakeFirst();
  if (there !== undefined) {
    if (there.sha256.equals(sha256)) return true;
    throw new SallyportError('ALREADY_EXISTS', {
      message: `${appId} ${version} for ${platform} was published with other content`,
      hint: 'give the new content a version of its own',
    });
  }
  if (fromVersion === version) {
    throw new SallyportError('INVALID_FIELD', {
      message: 'from_version is the version itself: there is nothing to change',
      hint: 'a delta leads from another release',
    });
  }
  for (const needed of fromVersion === '' ? [] : [version, fromVersion]) {
    if ((await find(needed)) === undefined) {
      throw new SallyportError('NOT_FOUND', {
        message: `there is no release ${appId} ${needed} for ${platform}`,
      });
    }
  }
  const { n } = await db
    .selectFrom('catalog_releases')
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .where('app_id', '=', appId)
    .executeTakeFirstOrThrow();
  if (Number(n) >= maxReleases) {
    throw new SallyportError('CHANGE_REFUSED', {
      message: `${appId} has ${maxReleases} releases, and may have no more`,
      hint: 'remove old ones with `sallyport apps remove`',
    });
  }
  return false;
}

export function findBlob(db: Db, sha256: Buffer) {
  return db.selectFrom('catalog_blobs').selectAll().where('sha256', '=', sha256).executeTakeFirst();
}

export async function readChunk(db: Db, sha256: Buffer, idx: number): Promise<Buffer | undefined> {
  const row = await db
    .selectFrom('catalog_chunks')
    .select('bytes')
    .where('sha256', '=', sha256)
    .where('idx', '=', idx)
    .executeTakeFirst();
  return row?.bytes;
}

/** Deletes bytes that belong to no release: of removed ones, and of uploads that were given up. At most 1,000 pieces. */
export async function forgetBytes(db: Db, nowMs: number): Promise<void> {
  const old = await db
    .selectFrom('catalog_blobs as b')
    .select('b.sha256')
    .where('b.created_ms', '<', nowMs - abandonedMs)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(selectFrom('catalog_releases as r').select('r.version').whereRef('r.sha256', '=', 'b.sha256')),
      ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(selectFrom('catalog_deltas as d').select('d.version').whereRef('d.sha256', '=', 'b.sha256')),
      ),
    )
    .limit(1)
    .executeTakeFirst();
  if (old === undefined) return;
  // Incomplete first, so that whoever uploads the same again uploads what is deleted here.
  await db.updateTable('catalog_blobs').set({ complete: 0 }).where('sha256', '=', old.sha256).execute();
  const { numDeletedRows } = await db
    .deleteFrom('catalog_chunks')
    .where('sha256', '=', old.sha256)
    .limit(1000)
    .executeTakeFirstOrThrow();
  if (numDeletedRows < 1000n) await db.deleteFrom('catalog_blobs').where('sha256', '=', old.sha256).execute();
}
