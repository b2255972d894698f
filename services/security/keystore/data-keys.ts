import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import type { RootKey, RootKeyProvider } from '#kernel/crypto/root-key.ts';
import { openRow, type RowName, sealedUnder, sealRow } from '#kernel/crypto/sealed-row.ts';
import { unwrapKey, wrapKey } from '#kernel/crypto/wrap-key.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { lockRow } from '../store/locks.ts';
import type { SecurityTables } from '../store/tables.ts';

export type { RowName };

/** How far a rotation of the root key has come. */
export interface RootKeyStatus {
  readonly currentRootKeyId: string;
  readonly dataKeysCurrent: number;
  readonly dataKeysPending: number;
}

/**
 * The keys under which secrets rest in the database. Each is a row wrapped under the root key, which only
 * its provider has; rotating the root key re-wraps these rows and touches nothing else.
 */
export class DataKeys {
  readonly #db: Db<SecurityTables>;
  readonly #rootKeys: RootKeyProvider;
  readonly #clock: Clock;
  /** Newest last; seals under the newest. Never empty after open(). */
  #keys = new Map<number, Uint8Array>();

  private constructor(deps: DataKeysDeps) {
    this.#db = deps.db;
    this.#rootKeys = deps.rootKeys;
    this.#clock = deps.clock;
  }

  /** @throws ROOT_KEY_UNAVAILABLE, SEALED_ROW_DAMAGED (wrapped under a root key that the provider has not got) */
  static async open(deps: DataKeysDeps): Promise<DataKeys> {
    const keys = new DataKeys(deps);
    await keys.#db.tx((trx) => keys.#makeFirst(trx), { idempotent: true });
    await keys.#load();
    return keys;
  }

  /** Seals bytes for one place: they open nowhere else. */
  seal(name: RowName, plaintext: Uint8Array): Uint8Array {
    const id = Math.max(...this.#keys.keys());
    const key = this.#keys.get(id);
    if (key === undefined) throw new SallyportError('UNAVAILABLE');
    return sealRow({ id, key }, name, plaintext);
  }

  /** @throws SEALED_ROW_DAMAGED */
  async open(name: RowName, sealed: Uint8Array): Promise<Uint8Array> {
    const id = sealedUnder(name, sealed);
    // Another pod may have made the key since this one looked.
    if (!this.#keys.has(id)) await this.#load();
    return this.openHeld(name, sealed);
  }

  /** As {@link open}, with the keys that are in memory. @throws SEALED_ROW_DAMAGED */
  openHeld(name: RowName, sealed: Uint8Array): Uint8Array {
    const id = sealedUnder(name, sealed);
    const key = this.#keys.get(id);
    if (key === undefined) {
      throw new SallyportError('SEALED_ROW_DAMAGED', {
        message: `${name.table}.${name.column} of ${name.row} is sealed under data key ${id}, which is gone`,
      });
    }
    return openRow({ id, key }, name, sealed);
  }

  /** Wraps under the provider's newest root key what is wrapped under an older one; can be cut off and repeated. */
  async rewrap(): Promise<RootKeyStatus> {
    const { current } = await this.#rootKeys.keys();
    const rows = await this.#db.read((db) => db.selectFrom('data_keys').selectAll().execute());
    for (const row of rows.filter((r) => r.root_key_id !== current.id)) {
      const key = unwrapKey(await this.#rootKey(row.root_key_id), row.id, row.wrapped);
      await this.#db.tx(
        (trx) =>
          trx
            .updateTable('data_keys')
            .set({ wrapped: Buffer.from(wrapKey(current, row.id, key)), root_key_id: current.id })
            .where('id', '=', row.id)
            .where('root_key_id', '=', row.root_key_id)
            .execute(),
        { idempotent: true },
      );
    }
    return this.status();
  }

  async status(): Promise<RootKeyStatus> {
    const { current } = await this.#rootKeys.keys();
    const rows = await this.#db.read((db) => db.selectFrom('data_keys').select('root_key_id').execute());
    const pending = rows.filter((row) => row.root_key_id !== current.id).length;
    return {
      currentRootKeyId: current.id,
      dataKeysCurrent: rows.length - pending,
      dataKeysPending: pending,
    };
  }

  async #makeFirst(trx: Kysely<SecurityTables>): Promise<void> {
    await lockRow(trx, 'data keys');
    const any = await trx.selectFrom('data_keys').select('id').limit(1).executeTakeFirst();
    if (any !== undefined) return;
    const { current } = await this.#rootKeys.keys();
    await trx
      .insertInto('data_keys')
      .values({
        id: 1,
        wrapped: Buffer.from(wrapKey(current, 1, randomBytes(32))),
        root_key_id: current.id,
        created_ms: this.#clock.now(),
      })
      .execute();
  }

  async #load(): Promise<void> {
    const rows = await this.#db.read((db) => db.selectFrom('data_keys').selectAll().orderBy('id').execute());
    for (const row of rows) {
      if (this.#keys.has(row.id)) continue;
      this.#keys.set(row.id, unwrapKey(await this.#rootKey(row.root_key_id), row.id, row.wrapped));
    }
  }

  async #rootKey(id: string): Promise<RootKey> {
    const { current, older } = await this.#rootKeys.keys();
    const found = [current, ...older].find((key) => key.id === id);
    if (found !== undefined) return found;
    throw new SallyportError('ROOT_KEY_UNAVAILABLE', {
      message: `a data key is wrapped under root key ${id}, which the provider does not give`,
      hint: 'give the provider the older root key too until RotateRootKey has re-wrapped everything',
    });
  }
}

export interface DataKeysDeps {
  readonly db: Db<SecurityTables>;
  readonly rootKeys: RootKeyProvider;
  readonly clock: Clock;
}
