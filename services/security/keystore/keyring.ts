import { create, toBinary } from '@bufbuild/protobuf';
import { wipe } from '#core/channel/bytes.ts';
import { suite1 } from '#core/channel/constants.ts';
import { generateHpkeKeyPair } from '#core/channel/hpke.ts';
import { type HpkeRecipient, importRecipient } from '#core/channel/hpke-open.ts';
import { identityDigest, knownSuites, type SignedKeyList, signKeyList } from '#core/channel/server-keys.ts';
import { SallyportError } from '#core/errors/error.ts';
import { encodeBase64url } from '#core/ids/base64url.ts';
import { ServerKeyListSchema, ServerKeySchema } from '#gen/sallyport/channel/v1/channel_pb.js';
import { AssertionSigner, type Jwk } from '#kernel/crypto/assertion.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { lockRow } from '../store/locks.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { ServerKeyKind, ServerKeyRow } from '../store/tables-keys.ts';
import type { DataKeys } from './data-keys.ts';

export interface KeyringOptions {
  /** Milliseconds for which an HPKE key is offered; default 12 h. It opens for as long again, then it is destroyed. */
  readonly hpkeOfferMs?: number;
  /** Milliseconds for which an assertion key signs; default 7 days. It verifies for as long again. */
  readonly assertionSignMs?: number;
  /** Milliseconds for which a device may keep the list of keys; default 1 h. */
  readonly listMs?: number;
}

const hour = 3_600_000;
const defaults = { hpkeOfferMs: 12 * hour, assertionSignMs: 7 * 24 * hour, listMs: hour };

interface Held {
  readonly row: Omit<ServerKeyRow, 'sealed_secret'>;
  readonly secret: Uint8Array;
  readonly recipient: HpkeRecipient | undefined;
}

/**
 * The keys that all security pods share: identity (Ed25519, for life), HPKE (a day), MAC of session ids,
 * assertions (Ed25519). They are sealed rows; the pod that first finds one missing or old makes it, under
 * a row lock; the others read it.
 */
export class Keyring {
  readonly #db: Db<SecurityTables>;
  readonly #dataKeys: DataKeys;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #options: Required<KeyringOptions>;
  #held = new Map<string, Held>();
  #list: { signed: SignedKeyList; untilMs: number } | undefined;
  #signer: AssertionSigner | undefined;
  #refreshing: Promise<void> | undefined;
  #lastMissMs = 0;

  private constructor(deps: KeyringDeps, options: KeyringOptions) {
    this.#db = deps.db;
    this.#dataKeys = deps.dataKeys;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#options = { ...defaults, ...options };
  }

  static async open(deps: KeyringDeps, options: KeyringOptions = {}): Promise<Keyring> {
    const keyring = new Keyring(deps, options);
    await keyring.refresh();
    return keyring;
  }

  /** Reads the keys, makes those that are due, destroys those that are over. Call it every minute or so. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** MAC keys of session ids, the newest (which mints) first; 32 bytes each. */
  macKeys(): readonly Uint8Array[] {
    return this.#newest('mac').map((held) => held.secret);
  }

  /**
   * The key that a device has sealed to.
   * @throws UNKNOWN_SUITE, UNKNOWN_SERVER_KEY
   */
  async recipient(suite: number, keyId: string): Promise<HpkeRecipient> {
    if (!knownSuites.includes(suite)) throw new SallyportError('UNKNOWN_SUITE');
    const held = this.#held.get(`hpke/${keyId}`) ?? (await this.#lookAgain(`hpke/${keyId}`));
    const over = (held?.row.expires_ms ?? 0) <= this.#clock.now();
    if (held?.recipient === undefined || over || held.recipient.suite !== suite) {
      throw new SallyportError('UNKNOWN_SERVER_KEY');
    }
    return held.recipient;
  }

  /** What GetServerKeys answers; signed anew when half its time is over. */
  serverKeyList(): SignedKeyList {
    const now = this.#clock.now();
    if (this.#list !== undefined && now < this.#list.untilMs) return this.#list.signed;
    const identity = this.#identity();
    const keys = this.#newest('hpke').filter((held) => this.#offered(held.row, now));
    const list = create(ServerKeyListSchema, {
      issuedAtMs: BigInt(now),
      expiresAtMs: BigInt(now + this.#options.listMs),
      suites: [...knownSuites],
      keys: keys.map(({ row }) =>
        create(ServerKeySchema, {
          keyId: row.key_id,
          suite: suite1,
          publicKey: row.public_key,
          // A device's clock may run behind ours.
          notBeforeMs: BigInt(row.created_ms - hour),
          notAfterMs: BigInt(row.created_ms + this.#options.hpkeOfferMs + this.#options.listMs),
        }),
      ),
    });
    const signed = signKeyList(channelCrypto, identity.secret, toBinary(ServerKeyListSchema, list));
    this.#list = { signed, untilMs: now + this.#options.listMs / 2 };
    return signed;
  }

  /** SHA-256 of the identity's public key: what devices pin. */
  identityDigest(): Uint8Array {
    return identityDigest(channelCrypto, this.#identity().row.public_key);
  }

  /** Signs, as the identity that devices pin, what begins with a label of its own. */
  signAsIdentity(message: Uint8Array): { readonly signature: Uint8Array; readonly identityKey: Uint8Array } {
    const { secret, row } = this.#identity();
    return { signature: channelCrypto.ed25519Sign(secret, message), identityKey: row.public_key };
  }

  /** Signs identity assertions with the newest key. */
  assertionSigner(): AssertionSigner {
    const newest = this.#newest('assertion')[0];
    if (newest === undefined) throw new SallyportError('UNAVAILABLE');
    if (this.#signer?.kid !== newest.row.key_id) {
      this.#signer = new AssertionSigner(newest.row.key_id, newest.secret);
    }
    return this.#signer;
  }

  /** Public keys of assertions (RFC 7517, RFC 8037). */
  jwks(): { keys: Jwk[] } {
    return {
      keys: this.#newest('assertion').map(({ row }) => ({
        kty: 'OKP',
        crv: 'Ed25519',
        use: 'sig',
        alg: 'EdDSA',
        kid: row.key_id,
        x: encodeBase64url(row.public_key),
      })),
    };
  }

  #newest(kind: ServerKeyKind): Held[] {
    return [...this.#held.values()]
      .filter((held) => held.row.kind === kind)
      .sort((a, b) => b.row.created_ms - a.row.created_ms);
  }

  #identity(): Held {
    const identity = this.#newest('identity').at(-1);
    if (identity === undefined) throw new SallyportError('UNAVAILABLE');
    return identity;
  }

  #offered(row: Held['row'], now: number): boolean {
    return now < row.created_ms + this.#options.hpkeOfferMs;
  }

  /** Another pod may have made it a moment ago; somebody who invents key ids does not cost a read each. */
  async #lookAgain(name: string): Promise<Held | undefined> {
    const now = this.#clock.monotonic();
    if (now - this.#lastMissMs < 1000) return undefined;
    this.#lastMissMs = now;
    await this.refresh();
    return this.#held.get(name);
  }

  async #refresh(): Promise<void> {
    const now = this.#clock.now();
    let rows = await this.#db.read((db) => db.selectFrom('server_keys').selectAll().execute());
    if (this.#due(rows, now).length > 0 || rows.some((row) => this.#over(row, now))) {
      rows = await this.#db.tx((trx) => this.#makeAndDestroy(trx, now), { idempotent: true });
    }
    const held = new Map<string, Held>();
    for (const row of rows) held.set(`${row.kind}/${row.key_id}`, await this.#hold(row));
    for (const [name, { secret }] of this.#held) if (!held.has(name)) wipe(secret);
    this.#held = held;
    this.#list = undefined;
  }

  async #hold(row: ServerKeyRow): Promise<Held> {
    const known = this.#held.get(`${row.kind}/${row.key_id}`);
    if (known !== undefined) return known;
    const { sealed_secret, ...rest } = row;
    const secret = await this.#dataKeys.open(rowName(row), sealed_secret);
    const recipient =
      row.kind === 'hpke'
        ? importRecipient(channelCrypto, suite1, { publicKey: row.public_key, secretKey: secret })
        : undefined;
    return { row: rest, secret, recipient };
  }

  /** Kinds of which a new key is needed now. */
  #due(rows: readonly ServerKeyRow[], now: number): ServerKeyKind[] {
    const newest = (kind: ServerKeyKind): number =>
      Math.max(Number.NEGATIVE_INFINITY, ...rows.filter((r) => r.kind === kind).map((r) => r.created_ms));
    // The next HPKE key is made while devices are still offered the one before.
    const age = { hpke: this.#options.hpkeOfferMs / 2, assertion: this.#options.assertionSignMs };
    const due: ServerKeyKind[] = [];
    if (newest('identity') < 0) due.push('identity');
    if (newest('mac') < 0) due.push('mac');
    if (newest('hpke') < now - age.hpke) due.push('hpke');
    if (newest('assertion') < now - age.assertion) due.push('assertion');
    return due;
  }

  #over(row: ServerKeyRow, now: number): boolean {
    return row.expires_ms !== null && row.expires_ms <= now;
  }

  async #makeAndDestroy(trx: Trx, now: number): Promise<ServerKeyRow[]> {
    await lockRow(trx, 'server keys');
    // What another pod made while this one waited for the lock.
    const before = await trx.selectFrom('server_keys').selectAll().execute();
    for (const kind of this.#due(before, now)) {
      const row = await this.#make(kind, now);
      await trx.insertInto('server_keys').values(row).execute();
      this.#log.info({ kind, keyId: row.key_id }, 'new key of the security tier');
    }
    for (const row of before.filter((r) => this.#over(r, now))) {
      await trx
        .deleteFrom('server_keys')
        .where('kind', '=', row.kind)
        .where('key_id', '=', row.key_id)
        .execute();
      this.#log.info({ kind: row.kind, keyId: row.key_id }, 'key of the security tier destroyed');
    }
    return trx.selectFrom('server_keys').selectAll().execute();
  }

  async #make(kind: ServerKeyKind, now: number): Promise<ServerKeyRow> {
    const key_id = encodeBase64url(channelCrypto.randomBytes(9));
    const { publicKey, secretKey } = await keyPair(kind);
    const life = { hpke: 2 * this.#options.hpkeOfferMs, assertion: 2 * this.#options.assertionSignMs };
    return {
      kind,
      key_id,
      public_key: Buffer.from(publicKey),
      sealed_secret: Buffer.from(this.#dataKeys.seal(rowName({ kind, key_id }), secretKey)),
      created_ms: now,
      expires_ms: kind === 'hpke' || kind === 'assertion' ? now + life[kind] : null,
    };
  }
}

export interface KeyringDeps {
  readonly db: Db<SecurityTables>;
  readonly dataKeys: DataKeys;
  readonly clock: Clock;
  readonly log: Logger;
}

type Trx = Parameters<Parameters<Db<SecurityTables>['tx']>[0]>[0];

const rowName = (row: { kind: string; key_id: string }) => ({
  table: 'server_keys',
  row: `${row.kind}/${row.key_id}`,
  column: 'sealed_secret',
});

async function keyPair(kind: ServerKeyKind): Promise<{ publicKey: Uint8Array; secretKey: Uint8Array }> {
  if (kind === 'hpke') return generateHpkeKeyPair(suite1);
  const secretKey = channelCrypto.randomBytes(32);
  if (kind === 'mac') return { publicKey: new Uint8Array(), secretKey };
  return { publicKey: channelCrypto.ed25519PublicKey(secretKey), secretKey };
}
