import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import type { Enrolment } from '#sdk/enrolment.ts';
import { devicePath, deviceStore, holdName, readDevice, writeDevice } from './device-file.ts';

const app = { platform: 'linux', appId: 'com.example.field', version: '1.2.0' };
const enrolment: Enrolment = {
  routeKey: 'A'.repeat(22),
  deviceId: 'device',
  user: 'anna',
  appId: app.appId,
  sharedKey: new Uint8Array(32).fill(1),
  sharedKeyVersion: 1,
  identityDigest: new Uint8Array(32).fill(2),
  strongestSuite: 1,
  edges: ['https://127.0.0.1:20000'],
};

describe('the file of a device', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sp-device-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const refused = (reason: string) => (error: unknown) =>
    error instanceof SallyportError && error.reason === reason && !error.message.includes('secret');

  it('is made by one at a time, and who died while he made it keeps nobody', () => {
    const release = holdName(dir, 'phone');
    assert.throws(() => holdName(dir, 'phone'), refused('ALREADY_EXISTS'));
    holdName(dir, 'tablet')();
    release();
    writeFileSync(
      `${devicePath(dir, 'phone')}.enrolling`,
      JSON.stringify({ pid: process.pid, startTime: 'before' }),
    );
    holdName(dir, 'phone')();
    holdName(dir, 'phone')();
    assert.deepEqual(readdirSync(join(dir, 'devices')), []);
  });

  it('keeps an enrolment, readable by its owner only, and a session beside it', async () => {
    const store = deviceStore(dir, 'phone', app);
    assert.equal(await store.load(), undefined);
    await store.save(enrolment);
    writeDevice(dir, 'phone', { ...readDevice(dir, 'phone'), session: 'a session' });
    await store.save({ ...enrolment, sharedKeyVersion: 2 });
    assert.equal((await store.load())?.sharedKeyVersion, 2);
    assert.equal(readDevice(dir, 'phone').session, 'a session');
    assert.equal(statSync(devicePath(dir, 'phone')).mode & 0o777, 0o600);
  });

  it('is asked for by a name that stays in its folder', () => {
    for (const name of ['../run', 'A', '', 'a/b']) {
      assert.throws(() => devicePath(dir, name), refused('INVALID_FIELD'));
    }
  });

  it('names the devices there are when one is missing, and never quotes a damaged one', async () => {
    await deviceStore(dir, 'other', app).save(enrolment);
    assert.throws(
      () => readDevice(dir, 'phone'),
      (error) => refused('NOT_FOUND')(error) && error instanceof SallyportError && /other/.test(error.hint),
    );
    writeFileSync(devicePath(dir, 'other'), '{"secret": ');
    assert.throws(() => readDevice(dir, 'other'), refused('MALFORMED'));
  });
});
