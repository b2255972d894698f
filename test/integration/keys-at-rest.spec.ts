import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { after, before, describe, it } from 'mocha';
import { openEnroll, sealEnroll } from '#core/channel/enroll.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import { newDeviceId, newRouteKey } from '#core/ids/ids.ts';
import { ServerKeyListSchema } from '#gen/sallyport/channel/v1/channel_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { hashPassword } from '#kernel/crypto/password.ts';
import { rootKeyProvider } from '#kernel/crypto/root-key-providers.ts';
import type { Db } from '#kernel/db/db.ts';
import { migrate } from '#kernel/db/migrate.ts';
import { openDb } from '#kernel/db/open-db.ts';
import { createLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { localCredentials } from '#services/security/directory/credentials.ts';
import { seed } from '#services/security/directory/seed.ts';
import { AsOf } from '#services/security/feed/as-of.ts';
import { DataKeys } from '#services/security/keystore/data-keys.ts';
import { findEnrolment, insertEnrolment } from '#services/security/keystore/enrolments.ts';
import { Keyring } from '#services/security/keystore/keyring.ts';
import { addNextKey, promoteNextKey, requestRotation } from '#services/security/keystore/rotate-enrolment.ts';
import { securityMigrations } from '#services/security/store/migrations.ts';
import type { SecurityTables } from '#services/security/store/tables.ts';
import { type DbGroup, startDbGroup } from '../db-group.ts';

const hour = 3_600_000;

describe('keys at rest in a real database', function () {
  this.timeout(120_000);
  let group: DbGroup;
  let dir: string;
  let rootKeyFile: string;
  const oldRoot = randomBytes(32).toString('base64');
  const open: Db<SecurityTables>[] = [];
  const clock = new ManualClock();
  const log = createLogger({ pod: 'test', level: 'silent' });

  const connect = (): Db<SecurityTables> => {
    const password = group.passwords.app;
    const db = openDb<SecurityTables>({ socketPath: group.rwSocket, user: 'sallyport', password });
    open.push(db);
    return db;
  };
  const rootKeys = () => rootKeyProvider({ from: 'file', path: rootKeyFile }, {});
  const dataKeysOf = (db: Db<SecurityTables>) => DataKeys.open({ db, rootKeys: rootKeys(), clock });
  /** As one pod has them. */
  const pod = async () => {
    const db = connect();
    const dataKeys = await dataKeysOf(db);
    return { db, dataKeys, keyring: await Keyring.open({ db, dataKeys, clock, log }) };
  };
  const enrol = async (db: Db<SecurityTables>, dataKeys: DataKeys) => {
    const routeKey = newRouteKey(channelCrypto);
    const deviceId = newDeviceId(channelCrypto);
    const sharedKey = randomBytes(32);
    const words = { deviceName: 'test', user: 'ada', appId: 'app', platform: 'ios', attested: undefined };
    await db.tx((trx) =>
      insertEnrolment(trx, dataKeys, { routeKey, deviceId, sharedKey, ...words }, clock.now()),
    );
    return { routeKey, sharedKey };
  };

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sp-keys-'));
    rootKeyFile = join(dir, 'root.key');
    await writeFile(rootKeyFile, oldRoot, { mode: 0o600 });
    group = await startDbGroup({ pods: 1 });
    await group.online();
    const password = group.passwords.migrate;
    const schema = openDb<SecurityTables>({ socketPath: group.rwSocket, user: 'migrate', password });
    try {
      await migrate(schema, securityMigrations, { deadlineMs: 60_000, progress: () => {} });
    } finally {
      await schema.close();
    }
  });

  after(async () => {
    for (const db of open) await db.close();
    await group?.close();
    await rm(dir, { recursive: true, force: true });
  });

  it('are made once, whoever starts at the same time', async () => {
    const pods = await Promise.all([pod(), pod(), pod()]);
    const identities = new Set(
      pods.map(({ keyring }) => Buffer.from(keyring.identityDigest()).toString('hex')),
    );
    assert.equal(identities.size, 1);
    const [one, two] = pods;
    assert.ok(one && two);
    assert.deepEqual(one.keyring.macKeys(), two.keyring.macKeys());
    assert.deepEqual(one.keyring.jwks(), two.keyring.jwks());
    const rows = await one.db.read((on) => on.selectFrom('server_keys').select('kind').execute());
    assert.equal(rows.length, 4);
  });

  it('HPKE keys are offered half a day, open for as long again, and are destroyed at all pods', async () => {
    const [one, two] = [await pod(), await pod()];
    const offered = () => fromBinary(ServerKeyListSchema, one.keyring.serverKeyList().list).keys;
    const [first] = offered();
    assert.ok(first);
    const message = { ...first, ...(await sealEnroll(first, randomBytes(10))) };
    const opens = async (at: typeof one): Promise<true> => {
      await openEnroll(await at.keyring.recipient(first.suite, first.keyId), message);
      return true;
    };
    await clock.advance(7 * hour);
    await one.keyring.refresh();
    const both = offered();
    assert.equal(both.length, 2);
    assert.notEqual(both[0]?.keyId, first.keyId);
    // The other pod has not looked yet; a device that has sealed to the new key makes it look.
    assert.ok(await two.keyring.recipient(first.suite, both[0]?.keyId ?? ''));
    await clock.advance(6 * hour);
    await one.keyring.refresh();
    assert.ok(!offered().some(({ keyId }) => keyId === first.keyId));
    assert.ok(await opens(one));
    await clock.advance(11 * hour);
    // Over, though this pod has not been able to read since.
    await assert.rejects(opens(two), reason('UNKNOWN_SERVER_KEY'));
    await one.keyring.refresh();
    await assert.rejects(opens(one), reason('UNKNOWN_SERVER_KEY'));
    const rows = await one.db.read((on) =>
      on.selectFrom('server_keys').select('key_id').where('key_id', '=', first.keyId).execute(),
    );
    assert.deepEqual(rows, []);
    const [lone] = await Promise.all([pod(), pod()]);
    assert.deepEqual(lone.keyring.identityDigest(), one.keyring.identityDigest());
  });

  it('assertion keys verify for as long again as they sign', async () => {
    const { keyring } = await pod();
    const first = keyring.assertionSigner().kid;
    await clock.advance(7 * 24 * hour);
    await keyring.refresh();
    const second = keyring.assertionSigner().kid;
    assert.notEqual(second, first);
    assert.deepEqual(
      keyring.jwks().keys.map(({ kid }) => kid),
      [second, first],
    );
  });

  it('are wrapped anew when the root key is rotated; the old one is needed until then', async () => {
    const { db, dataKeys } = await pod();
    const device = await enrol(db, dataKeys);
    const before = await dataKeys.status();
    assert.deepEqual([before.dataKeysCurrent, before.dataKeysPending], [1, 0]);
    const newRoot = randomBytes(32).toString('base64');
    await writeFile(rootKeyFile, `${newRoot}\n`);
    await assert.rejects(dataKeysOf(db), reason('ROOT_KEY_UNAVAILABLE'));
    await writeFile(rootKeyFile, `${newRoot}\n${oldRoot}\n`);
    const waiting = await dataKeys.status();
    assert.deepEqual([waiting.dataKeysCurrent, waiting.dataKeysPending], [0, 1]);
    const done = await Promise.all([dataKeys.rewrap(), (await dataKeysOf(db)).rewrap()]);
    for (const status of done) assert.deepEqual([status.dataKeysCurrent, status.dataKeysPending], [1, 0]);
    assert.notEqual(done[0]?.currentRootKeyId, before.currentRootKeyId);
    await writeFile(rootKeyFile, `${newRoot}\n`);
    const fresh = await dataKeysOf(db);
    const found = await db.read((on) => findEnrolment(on, fresh, device.routeKey));
    assert.deepEqual(new Uint8Array(found?.sharedKey ?? []), new Uint8Array(device.sharedKey));
  });

  it('open in their own row and column only', async () => {
    const { db, dataKeys } = await pod();
    const [one, two] = [await enrol(db, dataKeys), await enrol(db, dataKeys)];
    const sealedOf = (routeKey: string) =>
      db.read((on) =>
        on
          .selectFrom('shared_keys')
          .select('sealed_key')
          .where('route_key', '=', routeKey)
          .executeTakeFirstOrThrow(),
      );
    const { sealed_key } = await sealedOf(one.routeKey);
    assert.ok(!sealed_key.includes(one.sharedKey));
    const put = (change: { sealed_key: Buffer } | { sealed_next: Buffer }) =>
      db.tx((trx) =>
        trx.updateTable('shared_keys').set(change).where('route_key', '=', two.routeKey).execute(),
      );
    const read = () => db.read((on) => findEnrolment(on, dataKeys, two.routeKey));
    const own = (await sealedOf(two.routeKey)).sealed_key;
    await put({ sealed_key });
    await assert.rejects(read(), reason('SEALED_ROW_DAMAGED'));
    await put({ sealed_key: own });
    assert.ok(await read());
    await put({ sealed_next: own });
    await assert.rejects(read(), reason('SEALED_ROW_DAMAGED'));
  });

  it('keep the next keys of a rotation until one is used, and no more than four', async () => {
    const { db, dataKeys } = await pod();
    const { routeKey } = await enrol(db, dataKeys);
    const read = async () => (await db.read((on) => findEnrolment(on, dataKeys, routeKey))) ?? assert.fail();
    const first = await read();
    const add = (next: Uint8Array) => db.tx((trx) => addNextKey(trx, dataKeys, first, next));
    assert.equal(await add(randomBytes(32)), false, 'nobody has asked for a rotation');
    await db.tx((trx) => requestRotation(trx, routeKey));
    const keys = Array.from({ length: 6 }, () => randomBytes(32));
    for (const next of keys) assert.equal(await add(next), true);
    // An unknown outcome of the commit is settled by adding it again.
    assert.equal(await add(keys[5] ?? assert.fail()), true);
    const kept = (await read()).nextKeys.map((next) => Buffer.from(next));
    assert.deepEqual(kept, keys.slice(2).reverse());
    const used = keys[3] ?? assert.fail();
    await db.tx((trx) => promoteNextKey(trx, dataKeys, first, used));
    // Late copies of both steps change nothing any more.
    await db.tx((trx) => promoteNextKey(trx, dataKeys, first, keys[4] ?? assert.fail()));
    await db.tx((trx) => requestRotation(trx, routeKey));
    assert.equal(await add(randomBytes(32)), false);
    const now = await read();
    assert.deepEqual(Buffer.from(now.sharedKey), used);
    assert.deepEqual([now.keyVersion, now.nextKeys.length], [2, 0]);
  });

  it('are seeded with users and policy into an empty database only, by pods at the same time', async () => {
    const db = connect();
    const file = join(dir, 'seed.json');
    const passwordHash = await hashPassword('correct horse');
    const write = (names: string[]) =>
      writeFile(
        file,
        JSON.stringify({
          users: names.map((name) => ({ name, passwordHash, groups: ['a', 'a'] })),
          policy: {},
        }),
      );
    await write(['Ada', 'bob']);
    const sow = () => seed({ db: connect(), clock, log }, file);
    await Promise.all([sow(), sow(), sow()]);
    await write(['eve']);
    await sow();
    const users = await db.read((on) => on.selectFrom('users').select('name').execute());
    assert.deepEqual(users.map(({ name }) => name).sort(), ['ada', 'bob']);
    assert.equal((await db.read((on) => on.selectFrom('policies').select('version').execute())).length, 1);
    await writeFile(file, '{"users":[{"name":"x","passwordHash":"plain","groups":[]}]}');
    await assert.rejects(sow(), reason('CONFIG_INVALID'));
    await assert.rejects(seed({ db, clock, log }, join(dir, 'missing')), reason('CONFIG_INVALID'));
  });

  it('let in by the right password alone, and not a disabled user', async () => {
    const db = connect();
    const asOf = new AsOf(0);
    const credentials = await localCredentials(
      { readSoon: (find) => db.read((on) => find(on, false)) },
      async () => false,
    );
    assert.equal((await credentials.verify('ADA', 'correct horse', { asOf }))?.name, 'ada');
    for (const [name, password] of [
      ['ada', 'wrong'],
      ['nobody', 'correct horse'],
      ['nobody', ''],
    ] as const) {
      assert.equal(await credentials.verify(name, password, { asOf }), undefined);
    }
    await db.tx((trx) => trx.updateTable('users').set({ disabled: 1 }).where('name', '=', 'bob').execute());
    assert.equal(await credentials.verify('bob', 'correct horse', { asOf }), undefined);
    await db.tx((trx) =>
      trx.updateTable('users').set({ password_hash: null }).where('name', '=', 'bob').execute(),
    );
    assert.equal(await credentials.verify('bob', '', { asOf }), undefined);
  });
});

const reason =
  (expected: ErrorReason) =>
  (error: unknown): true => {
    assert.equal(SallyportError.from(error).reason, expected);
    return true;
  };
