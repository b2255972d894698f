import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { fromBinary } from '@bufbuild/protobuf';
import { after, before, describe, it } from 'mocha';
import { decodeActivationString } from '#core/channel/activation-string.ts';
import { rotatedSharedKey } from '#core/channel/rotate-shared-key.ts';
import { SallyportError } from '#core/errors/error.ts';
import { ActivationSchema, type ServerKey } from '#gen/sallyport/channel/v1/channel_pb.js';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Db } from '#kernel/db/db.ts';
import { openDb } from '#kernel/db/open-db.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { SecurityTables } from '#services/security/store/tables.ts';
import { type DbGroup, startDbGroup } from '../db-group.ts';
import {
  type Enrolled,
  enrolMessage,
  newestKey,
  openMessage,
  sessionMessage,
  testApp,
} from '../device-messages.ts';
import { type SecurityPods, securityPods } from '../security-pods.ts';

const as = (role: string, pod: string, address?: string) => ({
  'x-forwarded-client-cert': `URI=spiffe://sallyport.internal/${role}/${pod}`,
  ...(address === undefined ? {} : { 'x-sallyport-client-address': address }),
});
const ada = { user: 'ada', password: 'correct horse' };
const bob = { user: 'bob', password: 'battery staple' };

describe('keys and handshakes on a real database', function () {
  this.timeout(240_000);
  let group: DbGroup;
  let tier: SecurityPods;
  let db: Db<SecurityTables>;
  let key: ServerKey;
  const sessions: GrpcClient<typeof SessionService>[] = [];
  const keys: GrpcClient<typeof KeyStore>[] = [];

  const at = (pod = 0) => {
    const found = sessions[pod];
    assert.ok(found);
    return found;
  };
  const keysAt = (pod = 0) => {
    const found = keys[pod];
    assert.ok(found);
    return found;
  };
  const operator = { headers: as('operator', 'test') };
  const codeFor = async (user: string): Promise<Uint8Array> => {
    const { activation } = await keysAt().createActivation({ user, appId: testApp.appId }, operator);
    return fromBinary(ActivationSchema, decodeActivationString(activation)).code;
  };
  const enrol = async (user = 'ada'): Promise<Enrolled> => {
    const message = await enrolMessage(key, await codeFor(user));
    return message.read(await at().enroll(message.request));
  };
  const routed = (routeKey: string) => ({ headers: { 'x-sallyport-route': routeKey } });
  type Message = Awaited<ReturnType<typeof openMessage>>;
  const send = async (message: Message, pod = 0) => {
    const answer = await at(pod).openSession(message.request, routed(message.request.routeKey));
    return { answer, ...message.read(answer) };
  };
  const open = async (device: Pick<Enrolled, 'routeKey' | 'sharedKey'>, words = ada, pod = 0) =>
    send(await openMessage(key, device, words), pod);
  const tell = (kind: 'renew' | 'close', session: { id: string; key: Uint8Array }, timeMs?: number) => {
    const { request, read } = sessionMessage(kind, session, timeMs);
    const options = routed(session.id.slice(0, 22));
    const sent = kind === 'renew' ? at().renewSession(request, options) : at().closeSession(request, options);
    return sent.then(read);
  };

  before(async () => {
    group = await startDbGroup({ pods: 1 });
    await group.online();
    tier = await securityPods(group, {
      names: ['sec-0', 'sec-1'],
      users: [
        { name: 'ada', password: ada.password, groups: ['staff'] },
        { name: 'bob', password: bob.password, groups: ['staff'] },
      ],
      policy: { resources: [] },
    });
    await Promise.all(tier.pods.map((pod) => pod.start()));
    for (const { connectSocket } of tier.pods) {
      const address = `unix:${connectSocket}`;
      const metadata = as('edge', 'edge-0', '192.0.2.1');
      sessions.push(createGrpcClient(SessionService, { address, defaultDeadlineMs: 30_000, metadata }));
      keys.push(createGrpcClient(KeyStore, { address, defaultDeadlineMs: 30_000, metadata }));
    }
    db = openDb({ socketPath: group.rwSocket, user: 'sallyport', password: group.passwords.app });
    key = newestKey(await keysAt().getServerKeys({}));
  });

  after(async () => {
    for (const client of [...sessions, ...keys]) client.close();
    await db?.close();
    await tier?.close();
    await group?.close();
  });

  it('has one set of keys, although two pods started at once', async () => {
    const [one, two] = await Promise.all([0, 1].map((pod) => keysAt(pod).getServerKeys({})));
    assert.ok(one && two);
    assert.deepEqual(one.identityKey, two.identityKey);
    assert.equal(newestKey(two).keyId, key.keyId);
    const rows = await db.read((on) => on.selectFrom('server_keys').select('kind').execute());
    assert.deepEqual(rows.map(({ kind }) => kind).sort(), ['assertion', 'hpke', 'identity', 'mac']);
    const dataKeys = await db.read((on) => on.selectFrom('data_keys').select('id').execute());
    assert.equal(dataKeys.length, 1);
  });

  it('manages keys for operators only', async () => {
    const edge = { headers: as('edge', 'edge-0') };
    const { routeKey } = await enrol();
    for (const call of [
      keysAt().createActivation({ user: 'ada', appId: testApp.appId }, edge),
      keysAt().listSharedKeys({}, edge),
      keysAt().rotateSharedKey({ routeKey }, edge),
      keysAt().revokeSharedKey({ routeKey, reason: 'x' }, edge),
      keysAt().rotateRootKey({}, edge),
      keysAt().getRootKeyStatus({}, edge),
    ]) {
      await assert.rejects(call, reason('CALLER_NOT_ALLOWED'));
    }
    await assert.rejects(
      keysAt().createActivation({ user: 'eve', appId: testApp.appId }, operator),
      reason('NOT_FOUND'),
    );
  });

  it('answers the same Enroll with the same bytes, from any pod, and no other message with that code', async () => {
    const code = await codeFor('ada');
    const message = await enrolMessage(key, code);
    const answers = await Promise.all([0, 1, 0, 1].map((pod) => at(pod).enroll(message.request)));
    for (const answer of answers) assert.deepEqual(answer.ciphertext, answers[0]?.ciphertext);
    const { routeKey } = message.read(answers[0] ?? assert.fail());
    const other = await enrolMessage(key, code);
    await assert.rejects(at().enroll(other.request), reason('ACTIVATION_INVALID'));
    const { keys: listed } = await keysAt().listSharedKeys({ user: 'Ada' }, operator);
    assert.equal(listed.filter((each) => each.routeKey === routeKey).length, 1);
  });

  it('refuses unknown and expired codes alike, and another app without using the code up', async () => {
    const unknown = await enrolMessage(key, randomBytes(16));
    const code = await codeFor('ada');
    const late = await enrolMessage(key, code);
    const wrongApp = await enrolMessage(key, code, 'com.example.other');
    const errors = [
      await failure(at().enroll(unknown.request)),
      await failure(at().enroll(wrongApp.request)),
    ];
    await at().enroll(late.request);
    await db.tx((trx) => trx.updateTable('activations').set({ expires_ms: 1 }).execute());
    errors.push(await failure(at().enroll(late.request)));
    for (const error of errors) assert.deepEqual(shown(error), shown(errors[0] ?? assert.fail()));
    assert.equal(errors[0]?.reason, 'ACTIVATION_INVALID');
  });

  it('gives the same error for a wrong password, an unknown user, another user and another app', async () => {
    const device = await enrol();
    const errors: SallyportError[] = [];
    for (const words of [
      { ...ada, password: 'wrong' },
      { ...ada, password: '' },
      { user: 'nobody', password: 'wrong' },
      { ...ada, appId: 'com.example.other' },
      bob,
    ]) {
      errors.push(await failure(send(await openMessage(key, device, words))));
    }
    for (const error of errors) assert.deepEqual(shown(error), shown(errors[0] ?? assert.fail()));
    assert.equal(errors[0]?.reason, 'CREDENTIALS_INVALID');
  });

  it('refuses what is misdirected, out of time or sealed to keys that it has not got', async () => {
    const device = await enrol();
    const { request } = await openMessage(key, device, ada);
    const other = routed((await enrol()).routeKey);
    await assert.rejects(at().openSession(request, other), reason('ROUTE_MISMATCH'));
    await assert.rejects(at().openSession(request), reason('ROUTE_MISMATCH'));
    for (const offMs of [-301_000, 301_000]) {
      const timeMs = Date.now() + offMs;
      const error = await failure(send(await openMessage(key, device, { ...ada, timeMs })));
      assert.equal(error.reason, 'CLOCK_SKEW');
      assert.ok(Math.abs(Number(error.metadata.server_time_ms) - Date.now()) < 120_000);
    }
    const route = routed(device.routeKey);
    const changed = (change: Partial<typeof request.sealed>) =>
      at().openSession({ ...request, sealed: { ...request.sealed, ...change } }, route);
    await assert.rejects(changed({ suite: 2 }), reason('UNKNOWN_SUITE'));
    await assert.rejects(changed({ keyId: 'gone' }), reason('UNKNOWN_SERVER_KEY'));
    await assert.rejects(changed({ enc: randomBytes(32) }), reason('UNSEALABLE'));
    await assert.rejects(
      send(await openMessage(key, { ...device, sharedKey: randomBytes(32) }, ada)),
      reason('UNSEALABLE'),
    );
    await assert.rejects(
      send(await openMessage(key, { ...device, routeKey: `${'x'.repeat(21)}A` }, ada)),
      reason('UNSEALABLE'),
    );
    assert.ok((await open(device)).id);
  });

  it('answers a repeated OpenSession with the same bytes, at the same pod, at another, and all at once', async () => {
    const device = await enrol();
    const message = await openMessage(key, device, ada);
    const first = await send(message);
    for (const pod of [0, 1]) {
      const again = await send(message, pod);
      assert.deepEqual(again.answer.ciphertext, first.answer.ciphertext);
      assert.equal(again.id, first.id);
    }
    const second = await openMessage(key, device, ada);
    const atOnce = await Promise.all([0, 0, 1, 1].map((pod) => send(second, pod)));
    assert.equal(new Set(atOnce.map(({ id }) => id)).size, 1);
  });

  it('throttles wrong passwords of one enrolment, however many at once, and no other device', async () => {
    const [device, other] = [await enrol(), await enrol()];
    // A stranger without the device's key uses up nothing of the device's.
    for (let n = 0; n < 8; n++) {
      const forged = await openMessage(key, { ...device, sharedKey: randomBytes(32) }, ada);
      await assert.rejects(send(forged), reason('UNSEALABLE'));
    }
    const wrong = Array.from({ length: 12 }, () => open(device, { ...ada, password: 'wrong' }));
    const reasons = (await Promise.all(wrong.map(failure))).map((error) => error.reason);
    assert.equal(reasons.filter((each) => each === 'CREDENTIALS_INVALID').length, 5);
    assert.equal(reasons.filter((each) => each === 'THROTTLED').length, 7);
    const error = await failure(open(device));
    assert.equal(error.reason, 'THROTTLED');
    assert.ok((error.retryAfterMs ?? 0) > 0);
    assert.ok((await open(other)).id);
  });

  it('rotates a shared key: a lost answer costs nothing, the old key ends with the first use of the new', async () => {
    const device = await enrol();
    const { key: listed } = await keysAt().rotateSharedKey({ routeKey: device.routeKey }, operator);
    assert.deepEqual([listed?.rotationPending, listed?.keyVersion], [true, 1]);
    const lost = await open(device);
    const told = await open(device);
    // Came late: its answer reaches nobody, and it must not push out what the device has been told.
    await open(device);
    assert.deepEqual([lost.sharedKeyVersion, told.sharedKeyVersion], [2, 2]);
    const renewed = { ...device, sharedKey: rotatedSharedKey(channelCrypto, told.key) };
    await assert.rejects(open(renewed, { ...ada, password: 'wrong' }), reason('CREDENTIALS_INVALID'));
    assert.equal((await open(device)).sharedKeyVersion, 2);
    assert.equal((await open(renewed, ada, 1)).sharedKeyVersion, 2);
    await assert.rejects(open(device), reason('UNSEALABLE'));
    assert.equal((await open(renewed)).sharedKeyVersion, 2);
    const { keys: after } = await keysAt().listSharedKeys({ user: 'ada', pageSize: 1000 }, operator);
    const mine = after.find((each) => each.routeKey === device.routeKey);
    assert.deepEqual([mine?.rotationPending, mine?.keyVersion], [false, 2]);
    await assert.rejects(
      keysAt().rotateSharedKey({ routeKey: `${'x'.repeat(21)}A` }, operator),
      reason('KEY_UNKNOWN'),
    );
  });

  it('revokes an enrolment: its sessions end, and only its own key learns why', async () => {
    const device = await enrol();
    const session = await open(device);
    const { position } = await keysAt(1).revokeSharedKey(
      { routeKey: device.routeKey, reason: 'lost' },
      operator,
    );
    assert.ok(position > 0n);
    await waitFor(
      async () => {
        const error = await failure(tell('renew', session));
        return error.reason === 'SESSION_REVOKED';
      },
      { timeoutMs: 10_000, what: 'the other pod to know' },
    );
    await assert.rejects(open(device), reason('ENROLMENT_REVOKED'));
    await assert.rejects(open(device, { ...ada, password: 'wrong' }), reason('ENROLMENT_REVOKED'));
    const stranger = { ...device, sharedKey: randomBytes(32) };
    await assert.rejects(open(stranger), reason('UNSEALABLE'));
    await assert.rejects(
      keysAt().rotateSharedKey({ routeKey: device.routeKey }, operator),
      reason('KEY_UNKNOWN'),
    );
    const { keys: living } = await keysAt().listSharedKeys({ pageSize: 1000 }, operator);
    assert.ok(!living.some((each) => each.routeKey === device.routeKey));
    const { keys: all } = await keysAt().listSharedKeys({ pageSize: 1000, includeRevoked: true }, operator);
    assert.ok(all.find((each) => each.routeKey === device.routeKey)?.revokedAt);
  });

  it('pages through enrolments, newest first, each once', async () => {
    const { keys: whole } = await keysAt().listSharedKeys({ pageSize: 1000 }, operator);
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await keysAt().listSharedKeys({ pageSize: 3, pageToken }, operator);
      seen.push(...page.keys.map(({ routeKey }) => routeKey));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    assert.deepEqual(
      seen,
      whole.map(({ routeKey }) => routeKey),
    );
  });

  it('renews and closes a session; whoever closes twice learns that it is closed', async () => {
    const session = await open(await enrol());
    assert.ok((await tell('renew', session)).expiresAtMs > Date.now());
    await assert.rejects(tell('renew', session, Date.now() - 400_000), reason('CLOCK_SKEW'));
    await assert.rejects(tell('close', { ...session, key: randomBytes(32) }), reason('UNSEALABLE'));
    const { request } = sessionMessage('close', session);
    const misrouted = routed(`${'x'.repeat(21)}A`);
    await assert.rejects(at().closeSession(request, misrouted), reason('ROUTE_MISMATCH'));
    assert.ok((await tell('close', session)).expiresAtMs <= Date.now() + 60_000);
    const again = await failure(tell('close', session));
    assert.ok(['SESSION_REVOKED', 'SESSION_UNKNOWN'].includes(again.reason));
  });

  it('logs people in and out by their token', async () => {
    const { token, groups, routeKey } = await at().login({ ...bob, user: ' BOB ' });
    assert.deepEqual(groups, ['staff']);
    const bearer = { headers: { authorization: `Bearer ${token}` } };
    const { session } = await at(1).getSession({}, bearer);
    assert.deepEqual([session?.user, session?.routeKey, session?.deviceId], ['bob', routeKey, '']);
    for (const wrong of [
      `${token}x`,
      token.replace(/.$/, (c) => (c === 'A' ? 'Q' : 'A')),
      'x',
      `${token}~`,
    ]) {
      const call = at().getSession({}, { headers: { authorization: `Bearer ${wrong}` } });
      await assert.rejects(call, reason('TOKEN_INVALID'));
    }
    await at().logout({}, bearer);
    await assert.rejects(at().getSession({}, bearer), reason('TOKEN_INVALID'));
    await assert.rejects(at().getSession({}), reason('TOKEN_INVALID'));
  });

  it("throttles a person's wrong passwords by user and address; another address is not locked out", async () => {
    const guess = (user: string, address: string) =>
      failure(at().login({ user, password: 'wrong' }, { headers: as('edge', 'edge-0', address) }));
    const many = await Promise.all(Array.from({ length: 14 }, () => guess('bob', '198.51.100.1')));
    assert.equal(many.filter((error) => error.reason === 'CREDENTIALS_INVALID').length, 10);
    const [unknown, known] = [await guess('nobody', '198.51.100.2'), await guess('bob', '198.51.100.2')];
    assert.deepEqual(shown(unknown), shown(known));
    assert.equal((await guess('bob', '198.51.100.1')).reason, 'THROTTLED');
    const { token } = await at().login(bob, { headers: as('edge', 'edge-0', '198.51.100.3') });
    assert.ok(token);
  });

  it('ends the sessions of a user however the name is written', async () => {
    const session = await open(await enrol('bob'), bob);
    await at().revokeSessions({ subject: { case: 'user', value: 'Bob' }, reason: 'test' }, operator);
    await assert.rejects(tell('renew', session), reason('SESSION_REVOKED'));
  });

  it('logs no secret', async () => {
    for (const pod of tier.pods) {
      for (const secret of [ada.password, bob.password]) assert.ok(!pod.log().includes(secret));
    }
  });
});

/** What whoever called can see. */
const shown = ({ reason: why, message, hint, status, retryAfterMs }: SallyportError) => ({
  ...{ why, message, hint, status, retryAfterMs },
});

const failure = async (call: Promise<unknown>): Promise<SallyportError> => {
  try {
    await call;
  } catch (error) {
    return SallyportError.from(error);
  }
  return assert.fail('it did not fail');
};

const reason =
  (expected: string) =>
  (error: unknown): true => {
    assert.equal(SallyportError.from(error).reason, expected);
    return true;
  };
