import { type Kysely, sql } from 'kysely';
import { appOfRole, appRole, targetPath } from '#core/catalog/target-path.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import { lockRow } from '../store/locks.ts';
import type { SecurityTables } from '../store/tables.ts';
import {
  nextMetadata,
  type Published,
  type SigningKey,
  type Target,
  topRoles,
  tufKeyId,
} from './signed-metadata.ts';

export interface PublishContext {
  readonly dataKeys: DataKeys;
  /** Database time. */
  readonly nowMs: number;
}

type Trx = Kysely<SecurityTables>;
/** Devices that are between two files of an older version find them; versions of a root are kept for good. */
const kept = 20;

/** Whoever changes what is published takes turns. */
export const lockCatalogue = (trx: Trx): Promise<void> => lockRow(trx, 'catalogue');

/**
 * Signs what the tables say now, where it is not what was signed last, or half the time of that is over. Within the
 * transaction that changes the tables, which holds {@link lockCatalogue}. Nothing is published before the first release.
 */
export async function publish(trx: Trx, context: PublishContext, retire?: string): Promise<void> {
  const targets = await readTargets(trx);
  const before = await newestMetadata(trx);
  // A role that was published once stays, if empty: devices refuse a snapshot that has lost one.
  for (const app of [...before.keys()].flatMap(appOfRole)) if (!targets.has(app)) targets.set(app, []);
  if (targets.size === 0) return;
  const roles = [...topRoles, ...[...targets.keys()].map(appRole)];
  const keys = new Map<string, SigningKey[]>();
  const retired: SigningKey[] = [];
  for (const key of await readKeys(trx, context.dataKeys)) {
    if (key.role === retire) retired.push(key);
    else keys.set(key.role, [...(keys.get(key.role) ?? []), key]);
  }
  for (const role of roles) if (!keys.has(role)) keys.set(role, [await makeKey(trx, role, context)]);
  const retiredRootKeys = retire === 'root' ? retired : [];
  const next = nextMetadata(before, { targets, keys, retiredRootKeys, nowMs: context.nowMs });
  for (const { role, version, expiresMs, body } of next) {
    await trx.insertInto('catalog_metadata').values({ role, version, expires_ms: expiresMs, body }).execute();
    if (role === 'root') continue;
    await trx
      .deleteFrom('catalog_metadata')
      .where('role', '=', role)
      .where('version', '<=', version - kept)
      .execute();
  }
  if (retired.length > 0) {
    const ids = retired.map(({ keyId }) => keyId);
    await trx.deleteFrom('catalog_keys').where('key_id', 'in', ids).execute();
  }
}

/** Replaces the keys of a role, and destroys the old ones. Undefined if there is no such role (yet). */
export async function rotateKeys(
  trx: Trx,
  role: string,
  context: PublishContext,
): Promise<string | undefined> {
  await lockCatalogue(trx);
  const find = () =>
    trx.selectFrom('catalog_keys').select('key_id').where('role', '=', role).executeTakeFirst();
  if ((await find()) === undefined) return undefined;
  await publish(trx, context, role);
  return (await find())?.key_id;
}

/** Signs anew what would run out. */
export async function renewMetadata(trx: Trx, context: PublishContext): Promise<void> {
  await lockCatalogue(trx);
  await publish(trx, context);
}

/** A version of a role's metadata, or the newest for 0. */
export function readMetadata(db: Trx, role: string, version: number) {
  return db
    .selectFrom('catalog_metadata')
    .select(['body', 'version'])
    .where('role', '=', role)
    .$if(version !== 0, (q) => q.where('version', '=', version))
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst();
}

async function newestMetadata(trx: Trx): Promise<Map<string, Published>> {
  const rows = await trx
    .selectFrom('catalog_metadata as m')
    .selectAll()
    .where('version', '=', sql<number>`(select max(n.version) from catalog_metadata n where n.role = m.role)`)
    .execute();
  return new Map(
    rows.map(({ role, version, expires_ms, body }) => [role, { role, version, expiresMs: expires_ms, body }]),
  );
}

async function readTargets(trx: Trx): Promise<Map<string, Target[]>> {
  const targets = new Map<string, Target[]>();
  const add = (app: string, target: Target): void => {
    targets.set(app, [...(targets.get(app) ?? []), target]);
  };
  for (const row of await trx.selectFrom('catalog_releases').selectAll().execute()) {
    const { app_id: appId, platform, version, sha256, length, notes } = row;
    const custom = { version, platform, notes, ...(row.withdrawn !== 0 && { withdrawn: true }) };
    add(appId, { path: targetPath({ appId, platform, version }), length, sha256, custom });
  }
  for (const row of await trx.selectFrom('catalog_deltas').selectAll().execute()) {
    const { app_id: appId, platform, version, from_version: fromVersion, sha256, length } = row;
    const path = targetPath({ appId, platform, version, fromVersion });
    add(appId, { path, length, sha256, custom: { version, platform, from: fromVersion } });
  }
  return targets;
}

const sealedAs = (keyId: string) => ({ table: 'catalog_keys', row: keyId, column: 'sealed_secret' });

async function readKeys(trx: Trx, dataKeys: DataKeys): Promise<SigningKey[]> {
  const rows = await trx.selectFrom('catalog_keys').selectAll().orderBy('created_ms').execute();
  return Promise.all(
    rows.map(async ({ key_id, role, public_key, sealed_secret }) => ({
      keyId: key_id,
      role,
      publicKey: public_key,
      secret: await dataKeys.open(sealedAs(key_id), sealed_secret),
    })),
  );
}

async function makeKey(trx: Trx, role: string, { dataKeys, nowMs }: PublishContext): Promise<SigningKey> {
  const secret = channelCrypto.randomBytes(32);
  const publicKey = channelCrypto.ed25519PublicKey(secret);
  const keyId = tufKeyId(publicKey);
  await trx
    .insertInto('catalog_keys')
    .values({
      key_id: keyId,
      role,
      public_key: Buffer.from(publicKey),
      sealed_secret: Buffer.from(dataKeys.seal(sealedAs(keyId), secret)),
      created_ms: nowMs,
    })
    .execute();
  return { keyId, role, publicKey, secret };
}
