import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'mocha';
import type { SallyportError } from '#core/errors/error.ts';
import { openMessage, sessionMessage } from '../device-messages.ts';
import {
  ada,
  as,
  bob,
  failsAs,
  failure,
  noRoute,
  operator,
  routed,
  type SecurityBench,
  securityBench,
  shown,
} from '../security-bench.ts';

describe('opening sessions on a real database', function () {
  this.timeout(240_000);
  let bench: SecurityBench;

  before(async () => {
    bench = await securityBench();
  });

  after(async () => {
    await bench?.close();
  });

  it('gives the same error for a wrong password, an unknown user, another user and another app', async () => {
    const device = await bench.enrol();
    const errors: SallyportError[] = [];
    for (const words of [
      { ...ada, password: 'wrong' },
      { ...ada, password: '' },
      { user: 'nobody', password: 'wrong' },
      { ...ada, appId: 'com.example.other' },
      bob,
    ]) {
      errors.push(await failure(bench.send(await openMessage(bench.key, device, words))));
    }
    for (const error of errors) assert.deepEqual(shown(error), shown(errors[0] ?? assert.fail()));
    assert.equal(errors[0]?.reason, 'CREDENTIALS_INVALID');
  });

  it('refuses what is misdirected, out of time or sealed to keys that it has not got', async () => {
    const device = await bench.enrol();
    const { request } = await openMessage(bench.key, device, ada);
    const other = routed((await bench.enrol()).routeKey);
    await assert.rejects(bench.at().openSession(request, other), failsAs('ROUTE_MISMATCH'));
    await assert.rejects(bench.at().openSession(request), failsAs('ROUTE_MISMATCH'));
    for (const offMs of [-301_000, 301_000]) {
      const timeMs = Date.now() + offMs;
      const error = await failure(bench.send(await openMessage(bench.key, device, { ...ada, timeMs })));
      assert.equal(error.reason, 'CLOCK_SKEW');
      assert.ok(Math.abs(Number(error.metadata.server_time_ms) - Date.now()) < 120_000);
    }
    const route = routed(device.routeKey);
    const changed = (change: Partial<typeof request.sealed>) =>
      bench.at().openSession({ ...request, sealed: { ...request.sealed, ...change } }, route);
    await assert.rejects(changed({ suite: 2 }), failsAs('UNKNOWN_SUITE'));
    await assert.rejects(changed({ keyId: 'gone' }), failsAs('UNKNOWN_SERVER_KEY'));
    await assert.rejects(changed({ enc: randomBytes(32) }), failsAs('UNSEALABLE'));
    await assert.rejects(
      bench.send(await openMessage(bench.key, { ...device, sharedKey: randomBytes(32) }, ada)),
      failsAs('UNSEALABLE'),
    );
    await assert.rejects(
      bench.send(await openMessage(bench.key, { ...device, routeKey: noRoute }, ada)),
      failsAs('UNSEALABLE'),
    );
    assert.ok((await bench.open(device)).id);
  });

  it('answers a repeated OpenSession with the same bytes, at the same pod, at another, and all at once', async () => {
    const device = await bench.enrol();
    const message = await openMessage(bench.key, device, ada);
    const first = await bench.send(message);
    for (const pod of [0, 1]) {
      const again = await bench.send(message, pod);
      assert.deepEqual(again.ciphertext, first.ciphertext);
      assert.equal(again.id, first.id);
    }
    const second = await openMessage(bench.key, device, ada);
    const atOnce = await Promise.all([0, 0, 1, 1].map((pod) => bench.send(second, pod)));
    assert.equal(new Set(atOnce.map(({ id }) => id)).size, 1);
  });

  it('throttles wrong passwords of one enrolment, however many at once, and no other device', async () => {
    const [device, other] = [await bench.enrol(), await bench.enrol()];
    // A stranger without the device's key uses up nothing of the device's.
    for (let n = 0; n < 8; n++) {
      const forged = await openMessage(bench.key, { ...device, sharedKey: randomBytes(32) }, ada);
      await assert.rejects(bench.send(forged), failsAs('UNSEALABLE'));
    }
    const wrong = Array.from({ length: 12 }, () => bench.open(device, { ...ada, password: 'wrong' }));
    const reasons = (await Promise.all(wrong.map(failure))).map((error) => error.reason);
    assert.equal(reasons.filter((each) => each === 'CREDENTIALS_INVALID').length, 5);
    assert.equal(reasons.filter((each) => each === 'THROTTLED').length, 7);
    const error = await failure(bench.open(device));
    assert.equal(error.reason, 'THROTTLED');
    assert.ok((error.retryAfterMs ?? 0) > 0);
    assert.ok((await bench.open(other)).id);
  });

  it('renews and closes a session; whoever closes twice learns that it is closed', async () => {
    const session = await bench.open(await bench.enrol());
    assert.ok((await bench.tell('renew', session)).expiresAtMs > Date.now());
    await assert.rejects(bench.tell('renew', session, Date.now() - 400_000), failsAs('CLOCK_SKEW'));
    await assert.rejects(bench.tell('close', { ...session, key: randomBytes(32) }), failsAs('UNSEALABLE'));
    const { request } = sessionMessage('close', session);
    const misrouted = routed(noRoute);
    await assert.rejects(bench.at().closeSession(request, misrouted), failsAs('ROUTE_MISMATCH'));
    assert.ok((await bench.tell('close', session)).expiresAtMs <= Date.now() + 60_000);
    const again = await failure(bench.tell('close', session));
    assert.ok(['SESSION_REVOKED', 'SESSION_UNKNOWN'].includes(again.reason));
  });

  it('logs people in and out by their token', async () => {
    const { token, groups, routeKey } = await bench.at().login({ ...bob, user: ' BOB ' });
    assert.deepEqual(groups, ['staff']);
    const bearer = { headers: { authorization: `Bearer ${token}` } };
    const { session } = await bench.at(1).getSession({}, bearer);
    assert.deepEqual([session?.user, session?.routeKey, session?.deviceId], ['bob', routeKey, '']);
    for (const wrong of [
      `${token}x`,
      token.replace(/.$/, (c) => (c === 'A' ? 'Q' : 'A')),
      'x',
      `${token}~`,
    ]) {
      const call = bench.at().getSession({}, { headers: { authorization: `Bearer ${wrong}` } });
      await assert.rejects(call, failsAs('TOKEN_INVALID'));
    }
    await bench.at().logout({}, bearer);
    await assert.rejects(bench.at().getSession({}, bearer), failsAs('TOKEN_INVALID'));
    await assert.rejects(bench.at().getSession({}), failsAs('TOKEN_INVALID'));
  });

  it("throttles a person's wrong passwords by user and address; another address is not locked out", async () => {
    const guess = (user: string, address: string) =>
      failure(bench.at().login({ user, password: 'wrong' }, { headers: as('edge', 'edge-0', address) }));
    const many = await Promise.all(Array.from({ length: 14 }, () => guess('bob', '198.51.100.1')));
    assert.equal(many.filter((error) => error.reason === 'CREDENTIALS_INVALID').length, 10);
    const [unknown, known] = [await guess('nobody', '198.51.100.2'), await guess('bob', '198.51.100.2')];
    assert.deepEqual(shown(unknown), shown(known));
    assert.equal((await guess('bob', '198.51.100.1')).reason, 'THROTTLED');
    const { token } = await bench.at().login(bob, { headers: as('edge', 'edge-0', '198.51.100.3') });
    assert.ok(token);
  });

  it('ends the sessions of a user however the name is written', async () => {
    const session = await bench.open(await bench.enrol('bob'), bob);
    await bench.at().revokeSessions({ subject: { case: 'user', value: 'Bob' }, reason: 'test' }, operator);
    await assert.rejects(bench.tell('renew', session), failsAs('SESSION_REVOKED'));
  });

  it('logs no secret', async () => {
    for (const pod of bench.tier.pods) {
      for (const secret of [ada.password, bob.password]) assert.ok(!pod.log().includes(secret));
    }
  });
});
