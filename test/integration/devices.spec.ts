import assert from 'node:assert/strict';
import { fromBinary } from '@bufbuild/protobuf';
import { after, before, describe, it } from 'mocha';
import { decodeActivationString } from '#core/channel/activation-string.ts';
import { ActivationSchema } from '#gen/sallyport/channel/v1/channel_pb.js';
import { DeviceService, DeviceState } from '#gen/sallyport/device/v1/device_pb.js';
import { RevokeWait } from '#gen/sallyport/session/v1/session_pb.js';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { enrolMessage, testApp } from '../device-messages.ts';
import { keptClients } from '../kept-clients.ts';
import { ada, as, bob, failsAs, operator, type SecurityBench, securityBench } from '../security-bench.ts';
import { podAt } from '../security-pods.ts';

describe('devices', function () {
  this.timeout(120_000);
  let bench: SecurityBench;
  let devices: GrpcClient<typeof DeviceService>;
  const { keep, close } = keptClients();

  before(async () => {
    bench = await securityBench();
    const address = `unix:${podAt(bench.tier, 0).connectSocket}`;
    devices = keep(createGrpcClient(DeviceService, { address, defaultDeadlineMs: 30_000 }));
  });
  after(async () => {
    close();
    await bench?.close();
  });

  /** As a person past an edge, which may let administrators in. */
  const person = async (who: typeof ada, admins = false) => {
    const { token } = await bench.at().login({ user: who.user, password: who.password });
    const authorization = `Bearer ${token}`;
    return {
      headers: { ...as('edge', 'edge-0'), authorization, ...(admins && { 'x-sallyport-admin': 'on' }) },
    };
  };
  const shown = async (deviceId: string) =>
    (await devices.getDevice({ deviceId }, operator)).device ?? assert.fail();
  /** Enrols with an activation string. */
  const enrolWith = async (activation: string) => {
    const { code } = fromBinary(ActivationSchema, decodeActivationString(activation));
    const message = await enrolMessage(bench.key, code);
    return { message, enrolled: message.read(await bench.at().enroll(message.request)) };
  };
  const isOver = (session: { id: string; key: Uint8Array }) =>
    assert.rejects(bench.tell('renew', session), failsAs('SESSION_REVOKED'));

  it('tells the app, its posture and when the device was last seen, as of its last session', async () => {
    const device = await bench.enrol();
    const fresh = await shown(device.deviceId);
    assert.deepEqual(
      [fresh.state, fresh.appVersion, fresh.lastSeenAt],
      [DeviceState.ENROLLED, '', undefined],
    );
    await bench.open(device);
    await waitFor(async () => (await shown(device.deviceId)).lastSeenAt !== undefined, {
      timeoutMs: 30_000,
      what: 'the sighting to be stored',
    });
    const seen = await shown(device.deviceId);
    assert.deepEqual([seen.appVersion, seen.osVersion], [testApp.version, testApp.osVersion]);
    assert.equal(seen.user, 'ada');
    const { devices: listed } = await devices.listDevices({ user: 'ada' }, operator);
    assert.ok(listed.some((each) => each.deviceId === device.deviceId && each.lastSeenAt !== undefined));
  });

  it('gives a device another name', async () => {
    const { deviceId } = await bench.enrol();
    await devices.renameDevice({ deviceId, name: 'phone of the night shift' }, operator);
    assert.equal((await shown(deviceId)).name, 'phone of the night shift');
    await assert.rejects(devices.renameDevice({ deviceId, name: '' }, operator), failsAs('INVALID_FIELD'));
    const deviceIdOfNobody = `${'x'.repeat(21)}A`;
    await assert.rejects(
      devices.renameDevice({ deviceId: deviceIdOfNobody, name: 'x' }, operator),
      failsAs('NOT_FOUND'),
    );
  });

  it('blocks a device: its sessions end, and it opens none until it is unblocked', async () => {
    const device = await bench.enrol();
    const { deviceId } = device;
    const session = await bench.open(device);
    // As a restore does with all devices: whoever blocks this one means it, and lifting the others' leaves it.
    const byRestore = { blocked_ms: 1, blocked_by: 'restore/era-2' };
    await bench.db.read((on) =>
      on.updateTable('shared_keys').set(byRestore).where('device_id', '=', deviceId).execute(),
    );
    const blocked = await devices.blockDevice({ deviceId, wait: RevokeWait.FLEET }, operator);
    assert.equal(blocked.everywhere, true);
    assert.deepEqual(
      [blocked.device?.state, blocked.device?.blockedBy],
      [DeviceState.BLOCKED, 'operator/test'],
    );
    await isOver(session);
    await assert.rejects(bench.open(device), failsAs('DEVICE_BLOCKED'));
    await assert.rejects(bench.open(device, ada, 1), failsAs('DEVICE_BLOCKED'));
    assert.equal((await devices.unblockDevice({ deviceId }, operator)).device?.state, DeviceState.ENROLLED);
    await bench.open(device, ada, 1);
  });

  it('wipes the sessions of one device and leaves those of the others', async () => {
    const [lost, other] = [await bench.enrol(), await bench.enrol()];
    const [gone, spared] = [await bench.open(lost), await bench.open(other)];
    await devices.wipeSessions({ deviceId: lost.deviceId, wait: RevokeWait.FLEET }, operator);
    await isOver(gone);
    await bench.tell('renew', spared);
    await bench.open(lost);
  });

  it('replaces a device: the old one ends when the new one enrols, and not before', async () => {
    const old = await bench.enrol();
    const session = await bench.open(old);
    await devices.renameDevice({ deviceId: old.deviceId, name: "ada's" }, operator);
    const { activation } = await devices.replaceDevice({ deviceId: old.deviceId }, operator);
    await bench.tell('renew', session);
    const { message, enrolled } = await enrolWith(activation);
    assert.equal(enrolled.user, 'ada');
    await isOver(session);
    await assert.rejects(bench.open(old), failsAs('ENROLMENT_REVOKED'));
    assert.equal((await shown(old.deviceId)).state, DeviceState.REVOKED);
    await bench.open(enrolled);
    // A lost answer costs nothing.
    assert.deepEqual(message.read(await bench.at(1).enroll(message.request)), enrolled);
    for (const call of [
      () => devices.replaceDevice({ deviceId: old.deviceId }, operator),
      () => devices.blockDevice({ deviceId: old.deviceId }, operator),
    ]) {
      await assert.rejects(call(), failsAs('ENROLMENT_REVOKED'));
    }
  });

  it('voids the code of a replacement when the old device is blocked or revoked', async () => {
    for (const end of ['block', 'revoke'] as const) {
      const { deviceId, routeKey } = await bench.enrol();
      const { activation } = await devices.replaceDevice({ deviceId }, operator);
      if (end === 'block') await devices.blockDevice({ deviceId }, operator);
      else await bench.keysAt().revokeSharedKey({ routeKey }, operator);
      await assert.rejects(enrolWith(activation), failsAs('ACTIVATION_INVALID'));
    }
  });

  it('lets people do all that to their own devices, and to nobody else’s', async () => {
    const mine = await bench.enrol('bob');
    const hers = await bench.enrol('ada');
    const me = await person(bob);
    const { devices: listed } = await devices.listDevices({}, me);
    assert.ok(listed.length > 0 && listed.every(({ user }) => user === 'bob'));
    await assert.rejects(devices.listDevices({ user: 'ada' }, me), failsAs('CALLER_NOT_ALLOWED'));
    for (const call of [
      () => devices.getDevice({ deviceId: hers.deviceId }, me),
      () => devices.renameDevice({ deviceId: hers.deviceId, name: 'mine' }, me),
      () => devices.blockDevice({ deviceId: hers.deviceId }, me),
      () => devices.wipeSessions({ deviceId: hers.deviceId }, me),
      () => devices.replaceDevice({ deviceId: hers.deviceId }, me),
    ]) {
      await assert.rejects(call(), failsAs('NOT_FOUND'));
    }
    const { deviceId } = mine;
    await devices.renameDevice({ deviceId, name: 'my own' }, me);
    await devices.blockDevice({ deviceId }, me);
    assert.equal((await shown(deviceId)).blockedBy, 'person/bob');
    await devices.unblockDevice({ deviceId }, me);
    // An administrator's block is not the owner's to lift, nor to go around.
    await devices.blockDevice({ deviceId }, operator);
    await devices.blockDevice({ deviceId }, me);
    assert.equal((await shown(deviceId)).blockedBy, 'operator/test');
    await assert.rejects(devices.unblockDevice({ deviceId }, me), failsAs('CALLER_NOT_ALLOWED'));
    await assert.rejects(devices.replaceDevice({ deviceId }, me), failsAs('CALLER_NOT_ALLOWED'));
    await devices.unblockDevice({ deviceId }, operator);
    const { enrolled } = await enrolWith((await devices.replaceDevice({ deviceId }, me)).activation);
    await bench.open(enrolled, bob);
  });

  it('lets administrators past an edge only where it says so, and as far as their role goes', async () => {
    const { deviceId } = await bench.enrol('ada');
    const give = (role: string) =>
      bench.db.read((db) => db.insertInto('user_roles').values({ user: 'bob', role }).execute());
    await give('viewer');
    await assert.rejects(devices.getDevice({ deviceId }, await person(bob)), failsAs('NOT_FOUND'));
    const admin = await person(bob, true);
    assert.equal((await devices.getDevice({ deviceId }, admin)).device?.user, 'ada');
    await assert.rejects(devices.blockDevice({ deviceId }, admin), failsAs('NOT_FOUND'));
    await give('helpdesk');
    assert.equal((await devices.blockDevice({ deviceId }, admin)).device?.blockedBy, 'person/bob');
    await assert.rejects(
      devices.listDevices({}, { headers: as('edge', 'edge-0') }),
      failsAs('TOKEN_INVALID'),
    );
    await assert.rejects(
      devices.listDevices({}, { headers: as('proxy', 'proxy-0') }),
      failsAs('CALLER_NOT_ALLOWED'),
    );
  });
});
