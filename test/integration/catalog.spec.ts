import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { after, before, describe, it } from 'mocha';
import { encodeBase64url } from '#core/ids/base64url.ts';
import { AppCatalog, AppDelivery } from '#gen/sallyport/catalog/v1/catalog_pb.js';
import { Policy } from '#gen/sallyport/policy/v1/policy_pb.js';
import { createConnectClient } from '#kernel/rpc/connect-client.ts';
import { createGrpcServer } from '#kernel/rpc/grpc-server.ts';
import { HealthState } from '#kernel/rpc/health.ts';
import { implement } from '#kernel/rpc/implement.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { Device } from '#sdk/device.ts';
import { sampleReleases } from '#sdk/test/sample-releases.ts';
import type { DeliveryClient } from '#sdk/updates/delivery-client.ts';
import { deliveryClient } from '#sdk/updates/delivery-client.ts';
import { nodeUpdates } from '#sdk/updates/node.ts';
import type { Updates } from '#sdk/updates/updates.ts';
import { uploadDeltas } from '#services/cli/apps/upload-deltas.ts';
import { uploadPackage } from '#services/cli/apps/upload-package.ts';
import { type Delivery, delivery } from '#services/proxy/delivery/delivery-service.ts';
import { appId, noLog } from '../catalog-bench.ts';
import { type Enrolled, testApp } from '../device-messages.ts';
import { type PodRelay, startPodRelay } from '../pod-relay.ts';
import { as, failsAs, failure, operator, type SecurityBench, securityBench } from '../security-bench.ts';
import { podAt } from '../security-pods.ts';

describe('the app catalogue on a real database, through a real proxy service', function () {
  this.timeout(240_000);
  let bench: SecurityBench;
  let dir: string;
  let admin: Client<typeof AppCatalog>;
  let policy: Client<typeof Policy>;
  let sidecar: PodRelay;
  let apps: Delivery;
  let proxy: ReturnType<typeof createGrpcServer>;
  const devices: Device[] = [];
  const draining = new AbortController();
  const signal = new AbortController().signal;
  const android = { appId, platform: 'android' };
  const stable = { ...android, channel: 'stable' };

  before(async () => {
    bench = await securityBench();
    dir = await mkdtemp(join(tmpdir(), 'sp-catalog-'));
    const asOperator = {
      address: `unix:${podAt(bench.tier, 0).connectSocket}`,
      defaultDeadlineMs: 60_000,
      headers: operator.headers,
    };
    admin = createConnectClient(AppCatalog, asOperator);
    policy = createConnectClient(Policy, asOperator);
    const out = join(dir, 'out.sock');
    const { grpcSocket } = podAt(bench.tier, 1);
    const identity = 'spiffe://sallyport.internal/proxy/proxy-0';
    sidecar = await startPodRelay(out, { identity, target: () => grpcSocket });
    apps = delivery({ socketPath: out, timeoutMs: 30_000, cacheBytes: 2 ** 20, draining: draining.signal });
    proxy = createGrpcServer({
      services: [implement(AppDelivery, apps.handlers)],
      log: noLog,
      health: new HealthState(),
    });
    await proxy.listen(join(dir, 'proxy.sock'));
  });

  after(async () => {
    // Their connections would keep this process for half a minute.
    for (const device of devices) device.close();
    await proxy?.close({ graceMs: 0 });
    apps?.close();
    await sidecar?.close();
    await bench?.close();
    if (dir) await rm(dir, { recursive: true });
  });

  const deviceOf = async (enrolled: Enrolled, version: string): Promise<Device> => {
    const { identityKey } = await bench.keysAt().getServerKeys({});
    const device = new Device(
      {
        ...{ routeKey: enrolled.routeKey, sharedKey: enrolled.sharedKey, deviceId: 'd', user: 'ada', appId },
        ...{ sharedKeyVersion: 1, strongestSuite: 1, edges: ['http://localhost'] },
        identityDigest: new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(identityKey))),
      },
      {
        app: { ...testApp, version },
        connect: () => {
          const createConnection = () => connect(join(dir, 'proxy.sock'));
          const baseUrl = 'http://localhost';
          const sessionManager = new Http2SessionManager(baseUrl, undefined, { createConnection });
          const transport = createGrpcTransport({ baseUrl, sessionManager });
          return { streams: true, transport, close: () => sessionManager.abort() };
        },
      },
    );
    devices.push(device);
    return device;
  };
  let folders = 0;
  const updatesOf = async (
    enrolled: Enrolled,
    version: string,
    client?: DeliveryClient,
  ): Promise<Updates<string>> =>
    nodeUpdates(await deviceOf(enrolled, version), { dir: join(dir, `device-${folders++}`) }, client);
  const upload = async (version: string, body: Uint8Array, notes = '') => {
    const file = join(dir, `${version}.apk`);
    await writeFile(file, body);
    return uploadPackage(admin, { file, name: { ...android, version }, notes }, { signal });
  };
  const rollout = (version: string, percent: number, groups: string[] = []) =>
    admin.setRollout({ name: stable, version, percent, groups, maxFailurePercent: 20, minReports: 2 });

  const first = randomBytes(700_000);
  const second = randomBytes(1_000_001);

  it('takes a package in pieces, goes on after a cut, and publishes what is whole only', async () => {
    const release = await upload('1.0', first, 'the first');
    assert.deepEqual(
      [release?.length, release?.notes, release?.author],
      [700_000n, 'the first', 'operator/test'],
    );
    // The same again changes nothing; other content under the same version is refused.
    assert.equal((await upload('1.0', first))?.notes, 'the first');
    await assert.rejects(upload('1.0', second), failsAs('ALREADY_EXISTS'));

    const sha256 = new Uint8Array(await crypto.subtle.digest('SHA-256', second));
    const name = { ...android, version: '2.0' };
    const { chunkBytes, nextChunk } = await admin.beginUpload({
      name,
      length: BigInt(second.length),
      sha256,
    });
    assert.deepEqual([chunkBytes, nextChunk], [131_072, 0]);
    await admin.putChunk({ sha256, index: 0, data: second.subarray(0, chunkBytes) });
    await assert.rejects(admin.commitUpload({ name, sha256 }), failsAs('UPLOAD_INCOMPLETE'));
    await assert.rejects(
      admin.putChunk({ sha256, index: 1, data: new Uint8Array(5) }),
      failsAs('INVALID_FIELD'),
    );
    assert.equal((await admin.beginUpload({ name, length: BigInt(second.length), sha256 })).nextChunk, 1);
    const seen: number[] = [];
    const file = join(dir, '2.0.apk');
    await writeFile(file, second);
    await uploadPackage(admin, { file, name }, { signal, onProgress: (bytes) => seen.push(bytes) });
    assert.deepEqual(seen, [5 * chunkBytes, second.length]);

    const other = { ...name, version: '2.1' };
    const wrong = randomBytes(32);
    await admin.beginUpload({ name: other, length: 3n, sha256: wrong });
    await admin.putChunk({ sha256: wrong, index: 0, data: new Uint8Array(3) });
    await assert.rejects(admin.commitUpload({ name: other, sha256: wrong }), failsAs('UPLOAD_INCOMPLETE'));
    const { releases } = await admin.listReleases({ appId });
    assert.deepEqual(
      releases.map((each) => each.name?.version),
      ['2.0', '1.0'],
    );
  });

  it('is for administrators, and the bytes for proxies', async () => {
    const edge = createConnectClient(AppCatalog, {
      address: `unix:${podAt(bench.tier, 0).connectSocket}`,
      defaultDeadlineMs: 10_000,
      headers: as('service', 'x'),
    });
    await assert.rejects(edge.listReleases({}), failsAs('CALLER_NOT_ALLOWED'));
  });

  it('offers nobody anything before it is rolled out; then the device gets what was signed', async () => {
    const updates = await updatesOf(await bench.enrol(), '1.0');
    assert.deepEqual(await updates.check(), { update: undefined, mandatory: false });
    await rollout('1.0', 100);
    await rollout('2.0', 100);
    const { update = assert.fail() } = await updates.check();
    assert.equal(update.version, '2.0');
    let told = 0;
    const path = await updates.download(update, { onProgress: (bytes) => (told = bytes) });
    assert.ok((await readFile(path)).equals(second));
    assert.equal(told, second.length);
  });

  it('goes on with a download where it was cut', async () => {
    const enrolled = await bench.enrol();
    const { delivery: parts } = await deviceOf(enrolled, '1.0');
    const real = deliveryClient(parts);
    const asked: number[] = [];
    const client: DeliveryClient = {
      ...real,
      read: (sha256, offset, take, ...rest) => {
        asked.push(offset);
        let got = 0;
        const cut = async (data: Uint8Array): Promise<void> => {
          if (asked.length === 1 && got > 300_000) throw new Error('the phone was switched off');
          await take(data);
          got += data.length;
        };
        return real.read(sha256, offset, cut, ...rest);
      },
    };
    const updates = await updatesOf(enrolled, '1.0', client);
    const { update = assert.fail() } = await updates.check();
    await assert.rejects(updates.download(update));
    assert.ok((await readFile(await updates.download(update))).equals(second));
    assert.deepEqual(asked, [0, 393_216]);
  });

  it('refuses whoever is not enrolled, and a device of another app', async () => {
    const enrolled = await bench.enrol();
    const stranger = await updatesOf({ ...enrolled, sharedKey: randomBytes(32) }, '1.0');
    await assert.rejects(stranger.check(), failsAs('DEVICE_UNKNOWN'));
    const unknown = await updatesOf({ ...enrolled, routeKey: encodeBase64url(randomBytes(16)) }, '1.0');
    await assert.rejects(unknown.check(), failsAs('DEVICE_UNKNOWN'));
    await bench.keysAt(1).revokeSharedKey({ routeKey: enrolled.routeKey, reason: 'lost' }, operator);
    await assert.rejects((await updatesOf(enrolled, '1.0')).check(), failsAs('ENROLMENT_REVOKED'));
  });

  it('goes in stages: groups first, then a share of the devices that only grows', async () => {
    await upload('3.0', randomBytes(1000));
    await rollout('3.0', 0, ['staff']);
    const enrolled = await bench.enrol();
    assert.equal((await (await updatesOf(enrolled, '1.0')).check()).update?.version, '3.0');
    const { channel } = await rollout('3.0', 0);
    assert.deepEqual([channel?.previousVersion, channel?.percent], ['2.0', 0]);
    assert.equal((await (await updatesOf(enrolled, '1.0')).check()).update?.version, '2.0');
    assert.equal((await (await updatesOf(enrolled, '2.0')).check()).update, undefined);
    await rollout('3.0', 100);
    assert.equal((await (await updatesOf(enrolled, '2.0')).check()).update?.version, '3.0');
    await assert.rejects(rollout('9.9', 100), failsAs('NOT_FOUND'));
  });

  it('halts by itself when too many devices fail, says why, and can go on or back', async () => {
    const phones = await Promise.all([bench.enrol(), bench.enrol(), bench.enrol()]);
    const report = async (n: number, outcome: 'healthy' | 'crashed') =>
      (await updatesOf(phones[n] ?? assert.fail(), '3.0')).report('3.0', outcome);
    const halted = async () => (await admin.listChannels({ appId })).channels[0]?.haltedWhy;
    await report(0, 'crashed');
    await report(0, 'crashed');
    // One device is one report, and two are asked for.
    assert.equal(await halted(), '');
    await report(1, 'healthy');
    assert.equal(await halted(), '1 of 2 devices failed or crashed, more than 20 %');
    assert.match(podAt(bench.tier, 1).log(), /the rollout of a release was halted/);
    const late = await bench.enrol();
    assert.equal((await (await updatesOf(late, '1.0')).check()).update?.version, '2.0');
    const { releases } = await admin.listReleases({ appId, pageSize: 1 });
    assert.deepEqual([releases[0]?.reports, releases[0]?.failures], [2, 1]);

    await admin.haltRollout({ name: stable, why: '' });
    await report(0, 'healthy');
    await report(2, 'healthy');
    assert.equal(await halted(), '');

    await assert.rejects(
      admin.removeRelease({ name: { ...android, version: '3.0' } }),
      failsAs('CHANGE_REFUSED'),
    );
    const { channel } = await admin.rollBack({ name: stable, version: '3.0' });
    assert.deepEqual([channel?.version, channel?.percent, channel?.previousVersion], ['2.0', 100, '']);
    // Its answer was lost, and it is asked for again.
    assert.equal((await admin.rollBack({ name: stable, version: '3.0' })).channel?.version, '2.0');
    assert.equal((await (await updatesOf(late, '3.0')).check()).update?.version, '2.0');
    await assert.rejects(rollout('3.0', 100), failsAs('CHANGE_REFUSED'));
    await admin.removeRelease({ name: { ...android, version: '3.0' } });
    await assert.rejects(admin.removeRelease({ name: { ...android, version: '3.0' } }), failsAs('NOT_FOUND'));
  });

  it('refuses sessions to versions that are too old or blocked; those still get their update', async () => {
    const enrolled = await bench.enrol();
    await bench.open(enrolled);
    await admin.setVersions({ rules: { ...android, minVersion: '1.4', blocked: [] } });
    await waitFor(async () => (await failure(bench.open(enrolled))).reason === 'APP_REFUSED', {
      timeoutMs: 30_000,
      what: 'the pod to refuse an app that is too old',
    });
    const { message, metadata } = await failure(bench.open(enrolled));
    assert.match(message, /version 1\.3\.0 of com\.example\.field is too old/);
    assert.equal(metadata.grant, 'APP_TOO_OLD');
    const { update, mandatory } = await (await updatesOf(enrolled, '1.3.0')).check();
    assert.deepEqual([update?.version, mandatory], ['2.0', true]);
    // Said once: the policy does not say it as well.
    const inPolicy = (min?: string) =>
      policy.applyPolicy({
        requestKey: randomBytes(16).toString('hex'),
        documentJson: JSON.stringify({ resources: [], apps: [{ id: appId, minVersion: min }] }),
      });
    await assert.rejects(inPolicy('1.4'), failsAs('POLICY_INVALID'));
    await admin.setVersions({ rules: { ...android, minVersion: '', blocked: [] } });
    await inPolicy('1.0');
    await assert.rejects(
      admin.setVersions({ rules: { ...android, minVersion: '1.4', blocked: [] } }),
      failsAs('CHANGE_REFUSED'),
    );
    await inPolicy();
    await admin.setVersions({ rules: { ...android, minVersion: '', blocked: ['1.3.0'] } });
    await waitFor(async () => (await failure(bench.open(enrolled))).metadata.grant === 'APP_BLOCKED', {
      timeoutMs: 30_000,
      what: 'the pod to refuse a blocked version',
    });
    await admin.setVersions({ rules: { ...android, minVersion: '', blocked: [] } });
  });

  it('rotates keys of every role under the eyes of devices', async () => {
    const enrolled = await bench.enrol();
    const updates = await updatesOf(enrolled, '1.0');
    await updates.check();
    for (const role of ['timestamp', 'snapshot', 'targets', `app.${appId}`, 'root', 'root']) {
      const { keyId } = await admin.rotateKeys({ requestKey: randomBytes(16).toString('hex'), role });
      assert.match(keyId, /^[0-9a-f]{64}$/);
    }
    assert.equal((await updates.check()).update?.version, '2.0');
    const keys = await bench.db.read((on) => on.selectFrom('catalog_keys').select('role').execute());
    assert.equal(keys.length, 5);
    const requestKey = 'the-same-request-key';
    const once = await admin.rotateKeys({ requestKey, role: 'snapshot' });
    assert.equal((await admin.rotateKeys({ requestKey, role: 'snapshot' })).keyId, once.keyId);
    await assert.rejects(
      admin.rotateKeys({ requestKey: `${requestKey}2`, role: 'app.none' }),
      failsAs('NOT_FOUND'),
    );
  });

  it('leads from an installed release to the next by a delta, and by the whole where that does not fit', async () => {
    const [old, next] = sampleReleases(3);
    await upload('4.0', old);
    await rollout('4.0', 100);
    await upload('5.0', next);
    const file = join(dir, '5.0.apk');
    const made = await uploadDeltas(admin, { file, name: { ...android, version: '5.0' } }, undefined, {
      signal,
    });
    const [smaller = assert.fail()] = made.filter((each) => each.fromVersion === '4.0');
    assert.ok(smaller.uploaded && smaller.share <= 0.25, `${smaller.share}`);
    // Random bytes have nothing in common.
    assert.equal(made.find((each) => each.fromVersion === '2.0')?.uploaded, false);
    await rollout('5.0', 100);

    const updates = await updatesOf(await bench.enrol(), '4.0');
    const { update = assert.fail() } = await updates.check();
    const installed = join(dir, '4.0.apk');
    let length = 0;
    const progress = { onProgress: (_: number, of: number) => (length = of) };
    const download = async (by: Updates<string>): Promise<Buffer> =>
      readFile(await by.download(update, { installedPackage: await openAsBlob(installed), ...progress }));
    assert.ok((await download(updates)).equals(next));
    assert.equal(length, smaller.length);

    await writeFile(installed, randomBytes(old.length));
    assert.ok((await download(await updatesOf(await bench.enrol(), '4.0'))).equals(next));
    assert.equal(length, next.length);
  });
});
