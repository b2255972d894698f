import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'mocha';
import { rotatedSharedKey } from '#core/channel/rotate-shared-key.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { enrolMessage, newestKey, testApp } from '../device-messages.ts';
import {
  ada,
  as,
  failsAs,
  failure,
  noRoute,
  operator,
  type SecurityBench,
  securityBench,
  shown,
} from '../security-bench.ts';

describe('enrolments and their keys on a real database', function () {
  this.timeout(240_000);
  let bench: SecurityBench;

  before(async () => {
    bench = await securityBench();
  });

  after(async () => {
    await bench?.close();
  });

  it('has one set of keys, although two pods started at once', async () => {
    const [one, two] = await Promise.all([0, 1].map((pod) => bench.keysAt(pod).getServerKeys({})));
    assert.ok(one && two);
    assert.deepEqual(one.identityKey, two.identityKey);
    assert.equal(newestKey(two).keyId, bench.key.keyId);
    const rows = await bench.db.read((on) => on.selectFrom('server_keys').select('kind').execute());
    assert.deepEqual(rows.map(({ kind }) => kind).sort(), ['assertion', 'hpke', 'identity', 'mac']);
    const dataKeys = await bench.db.read((on) => on.selectFrom('data_keys').select('id').execute());
    assert.equal(dataKeys.length, 1);
  });

  it('manages keys for operators, and through an edge for nobody without a token', async () => {
    const { routeKey } = await bench.enrol();
    const calls = (headers: { headers: Record<string, string> }) => [
      bench.keysAt().createActivation({ user: 'ada', appId: testApp.appId }, headers),
      bench.keysAt().listSharedKeys({}, headers),
      bench.keysAt().rotateSharedKey({ routeKey }, headers),
      bench.keysAt().revokeSharedKey({ routeKey, reason: 'x' }, headers),
      bench.keysAt().rotateRootKey({}, headers),
      bench.keysAt().getRootKeyStatus({}, headers),
    ];
    for (const call of calls({ headers: as('proxy', 'proxy-0') })) {
      await assert.rejects(call, failsAs('CALLER_NOT_ALLOWED'));
    }
    // Through an edge they are for people, who show a token.
    for (const call of calls({ headers: as('edge', 'edge-0') })) {
      await assert.rejects(call, failsAs('TOKEN_INVALID'));
    }
    await assert.rejects(
      bench.keysAt().createActivation({ user: 'eve', appId: testApp.appId }, operator),
      failsAs('NOT_FOUND'),
    );
  });

  it('answers the same Enroll with the same bytes, from any pod, and no other message with that code', async () => {
    const code = await bench.codeFor('ada');
    const message = await enrolMessage(bench.key, code);
    const answers = await Promise.all([0, 1, 0, 1].map((pod) => bench.at(pod).enroll(message.request)));
    for (const answer of answers) assert.deepEqual(answer.ciphertext, answers[0]?.ciphertext);
    const { routeKey } = message.read(answers[0] ?? assert.fail());
    const other = await enrolMessage(bench.key, code);
    await assert.rejects(bench.at().enroll(other.request), failsAs('ACTIVATION_INVALID'));
    const { keys: listed } = await bench.keysAt().listSharedKeys({ user: 'Ada' }, operator);
    assert.equal(listed.filter((each) => each.routeKey === routeKey).length, 1);
  });

  it('refuses unknown and expired codes alike, and another app without using the code up', async () => {
    const unknown = await enrolMessage(bench.key, randomBytes(16));
    const code = await bench.codeFor('ada');
    const late = await enrolMessage(bench.key, code);
    const wrongApp = await enrolMessage(bench.key, code, 'com.example.other');
    const errors = [
      await failure(bench.at().enroll(unknown.request)),
      await failure(bench.at().enroll(wrongApp.request)),
    ];
    await bench.at().enroll(late.request);
    await bench.db.tx((trx) => trx.updateTable('activations').set({ expires_ms: 1 }).execute());
    errors.push(await failure(bench.at().enroll(late.request)));
    for (const error of errors) assert.deepEqual(shown(error), shown(errors[0] ?? assert.fail()));
    assert.equal(errors[0]?.reason, 'ACTIVATION_INVALID');
  });

  it('rotates a shared key: a lost answer costs nothing, the old key ends with the first use of the new', async () => {
    const device = await bench.enrol();
    const { key: listed } = await bench.keysAt().rotateSharedKey({ routeKey: device.routeKey }, operator);
    assert.deepEqual([listed?.rotationPending, listed?.keyVersion], [true, 1]);
    const lost = await bench.open(device);
    const told = await bench.open(device);
    // Came late: its answer reaches nobody, and it must not push out what the device has been told.
    await bench.open(device);
    assert.deepEqual([lost.sharedKeyVersion, told.sharedKeyVersion], [2, 2]);
    const renewed = { ...device, sharedKey: rotatedSharedKey(channelCrypto, told.key) };
    await assert.rejects(bench.open(renewed, { ...ada, password: 'wrong' }), failsAs('CREDENTIALS_INVALID'));
    assert.equal((await bench.open(device)).sharedKeyVersion, 2);
    assert.equal((await bench.open(renewed, ada, 1)).sharedKeyVersion, 2);
    await assert.rejects(bench.open(device), failsAs('UNSEALABLE'));
    assert.equal((await bench.open(renewed)).sharedKeyVersion, 2);
    const { keys: after } = await bench.keysAt().listSharedKeys({ user: 'ada', pageSize: 1000 }, operator);
    const mine = after.find((each) => each.routeKey === device.routeKey);
    assert.deepEqual([mine?.rotationPending, mine?.keyVersion], [false, 2]);
    await assert.rejects(
      bench.keysAt().rotateSharedKey({ routeKey: noRoute }, operator),
      failsAs('KEY_UNKNOWN'),
    );
  });

  it('revokes an enrolment: its sessions end, and only its own key learns why', async () => {
    const device = await bench.enrol();
    const session = await bench.open(device);
    const { position } = await bench
      .keysAt(1)
      .revokeSharedKey({ routeKey: device.routeKey, reason: 'lost' }, operator);
    assert.ok(position > 0n);
    await waitFor(
      async () => {
        const error = await failure(bench.tell('renew', session));
        return error.reason === 'SESSION_REVOKED';
      },
      { timeoutMs: 10_000, what: 'the other pod to know' },
    );
    await assert.rejects(bench.open(device), failsAs('ENROLMENT_REVOKED'));
    await assert.rejects(bench.open(device, { ...ada, password: 'wrong' }), failsAs('ENROLMENT_REVOKED'));
    const stranger = { ...device, sharedKey: randomBytes(32) };
    await assert.rejects(bench.open(stranger), failsAs('UNSEALABLE'));
    await assert.rejects(
      bench.keysAt().rotateSharedKey({ routeKey: device.routeKey }, operator),
      failsAs('KEY_UNKNOWN'),
    );
    const { keys: living } = await bench.keysAt().listSharedKeys({ pageSize: 1000 }, operator);
    assert.ok(!living.some((each) => each.routeKey === device.routeKey));
    const { keys: all } = await bench
      .keysAt()
      .listSharedKeys({ pageSize: 1000, includeRevoked: true }, operator);
    assert.ok(all.find((each) => each.routeKey === device.routeKey)?.revokedAt);
  });

  it('pages through enrolments, newest first, each once', async () => {
    const { keys: whole } = await bench.keysAt().listSharedKeys({ pageSize: 1000 }, operator);
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await bench.keysAt().listSharedKeys({ pageSize: 3, pageToken }, operator);
      seen.push(...page.keys.map(({ routeKey }) => routeKey));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    assert.deepEqual(
      seen,
      whole.map(({ routeKey }) => routeKey),
    );
  });
});
