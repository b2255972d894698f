import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Device } from './device.ts';
import { memoryStore } from './enrolment-store.ts';
import { answer, app, credentials, opened, platform, reasonIs } from './test/opened.ts';

const hello = () => Promise.resolve(answer(200, 'hello'));

describe('Device', () => {
  it('opens one session although answers are lost', async () => {
    const { mesh, device } = await opened(hello, true);
    mesh.loseAnswers.set('openSession', 3);
    const session = await device.open(credentials);
    assert.equal(mesh.tier.sessions.size, 2);
    assert.equal(await (await session.fetch('/')).text(), 'hello');
  });

  it('says that the password is wrong, without trying again', async () => {
    const { mesh, device } = await opened(hello, true);
    await assert.rejects(device.open({ ...credentials, password: 'no' }), reasonIs('CREDENTIALS_INVALID'));
    assert.equal(mesh.tier.calls.get('openSession'), 2);
  });

  it('keeps the list of server keys, and fetches it again when its key is unknown', async () => {
    const { mesh, device } = await opened(hello, true);
    await device.open(credentials);
    assert.equal(mesh.tier.calls.get('getServerKeys'), 2, 'one to enrol, one for both sessions');
    await mesh.tier.rotateServerKey();
    await device.open(credentials);
    assert.equal(mesh.tier.calls.get('getServerKeys'), 3);
  });

  it('sets its clock by the tier, in sessions too', async () => {
    const { mesh, device } = await opened(hello, true);
    mesh.tier.clockOffsetMs = 20 * 60_000;
    const session = await device.open(credentials);
    assert.equal(mesh.tier.calls.get('openSession'), 3);
    await session.renew();
    await device.open(credentials);
    assert.equal(mesh.tier.calls.get('openSession'), 4, 'it knows the time by now');
  });

  it('follows a rotation of the shared key', async () => {
    const { mesh, device, events } = await opened(hello, true);
    mesh.tier.rotationPending = true;
    await device.open(credentials);
    assert.equal(device.enrolment.sharedKeyVersion, 2);
    assert.deepEqual(
      events.filter(({ type }) => type === 'key-rotated'),
      [{ type: 'key-rotated', version: 2 }],
    );
    await device.open(credentials);
    const held = mesh.tier.enrolments.get(device.enrolment.routeKey);
    assert.deepEqual(held?.sharedKeys, [device.enrolment.sharedKey], 'the old one is gone');
  });

  it('does not load what is not there', async () => {
    const { mesh } = await opened(hello, true);
    const loading = Device.load({ app, connect: mesh.connect(true), store: memoryStore(), platform });
    await assert.rejects(loading, reasonIs('NOT_FOUND'));
  });

  it('reaches proxies where the tier says they are', async () => {
    const { mesh, device } = await opened(hello, true);
    mesh.tier.proxyUrls = ['https://edge-1'];
    const session = await device.open(credentials);
    const before = mesh.edge('https://edge-0').calls;
    await (await session.fetch('/')).text();
    assert.equal(mesh.edge('https://edge-0').calls, before);
  });
});
