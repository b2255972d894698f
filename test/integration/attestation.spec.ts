import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { attestationChallenge } from '#core/channel/enroll.ts';
import { SallyportError } from '#core/errors/error.ts';
import { DeviceService } from '#gen/sallyport/device/v1/device_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { type AndroidDevice, androidDevice } from '../android-device.ts';
import { enrolMessage, openMessage, testApp } from '../device-messages.ts';
import { keptClients } from '../kept-clients.ts';
import { ada, failsAs, operator, type SecurityBench, securityBench } from '../security-bench.ts';
import { podAt } from '../security-pods.ts';

const certDigest = Buffer.alloc(32, 7);

describe('devices whose platform attests the app', function () {
  this.timeout(120_000);
  let bench: SecurityBench;
  let devices: GrpcClient<typeof DeviceService>;
  let phone: AndroidDevice;
  let dir: string;
  const { keep, close } = keptClients();

  before(async () => {
    phone = await androidDevice();
    dir = mkdtempSync(join(tmpdir(), 'sallyport-attestation-'));
    const androidRoots = join(dir, 'roots.pem');
    writeFileSync(androidRoots, phone.root);
    bench = await securityBench({
      config: { attestation: { androidRoots } },
      policy: { resources: [], apps: [{ id: testApp.appId, posture: { attestation: 'android-key' } }] },
    });
    const address = `unix:${podAt(bench.tier, 0).connectSocket}`;
    devices = keep(createGrpcClient(DeviceService, { address, defaultDeadlineMs: 30_000 }));
  });
  after(async () => {
    close();
    await bench?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Enrols with what the phone attests for the challenge of this code. */
  const enrol = async (
    code: Uint8Array,
    { of = code, appId = testApp.appId }: { of?: Uint8Array; appId?: string } = {},
  ) => {
    const challenge = attestationChallenge(channelCrypto, of);
    const data = await phone.attest(challenge, { appId, certDigest });
    const message = await enrolMessage(bench.key, code, testApp.appId, { format: 'android-key', data });
    return message.read(await bench.at().enroll(message.request));
  };
  type Device = Awaited<ReturnType<typeof enrol>>;
  const open = async (device: Device, app: NonNullable<Parameters<typeof openMessage>[2]['app']> = {}) =>
    bench.send(await openMessage(bench.key, device, { ...ada, app }));
  const isRefused = (call: Promise<unknown>, grant: string) =>
    assert.rejects(call, (error) => {
      const { reason, metadata } = SallyportError.from(error);
      assert.deepEqual([reason, metadata.grant], ['APP_REFUSED', grant]);
      return true;
    });

  it('meet a policy that asks for it, and are shown with it', async () => {
    const device = await enrol(await bench.codeFor('ada'));
    await open(device, { certDigest });
    await open(device);
    const { device: shown } = await devices.getDevice({ deviceId: device.deviceId }, operator);
    const claims = { attestation: 'android-key', 'attestation.level': 'tee', 'attestation.boot': 'verified' };
    assert.deepEqual(shown?.attestation, claims);
  });

  it('open no session with another signing certificate than the attested one', async () => {
    const device = await enrol(await bench.codeFor('ada'));
    await isRefused(open(device, { certDigest: Buffer.alloc(32, 8) }), 'APP_CERTIFICATE');
  });

  it('are not those that only say so', async () => {
    const device = await bench.enrol();
    await isRefused(open(device), 'POSTURE');
    await isRefused(open(device, { posture: { attestation: 'android-key' } }), 'POSTURE');
  });

  it('do not enrol by an attestation of another code or app, which leaves the code as good as before', async () => {
    const code = await bench.codeFor('ada');
    await assert.rejects(enrol(code, { of: await bench.codeFor('ada') }), failsAs('ATTESTATION_INVALID'));
    await assert.rejects(enrol(code, { appId: 'com.example.other' }), failsAs('ATTESTATION_INVALID'));
    await enrol(code);
  });

  it('do not enrol in a format that nobody has configured', async () => {
    const data = [new Uint8Array(10)];
    const message = await enrolMessage(bench.key, await bench.codeFor('ada'), testApp.appId, {
      ...{ format: 'apple-app-attest', data },
    });
    await assert.rejects(bench.at().enroll(message.request), failsAs('ATTESTATION_INVALID'));
  });
});
