import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { targetPath } from '#core/catalog/target-path.ts';
import { labelled } from '#core/channel/bytes.ts';
import { labels } from '#core/channel/constants.ts';
import { identityDigest } from '#core/channel/server-keys.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { DeliveryClient } from '#sdk/updates/delivery-client.ts';
import type { Checked, Update } from '#sdk/updates/updates.ts';
import {
  nextMetadata,
  type Published,
  type SigningKey,
  type Target,
  topRoles,
  tufKeyId,
} from './signed-metadata.ts';

const appId = 'com.example.field';
/** As devices tell it, whose version is their own. */
export const app = { platform: 'Android', appId };
const day = 86_400_000;

/** An app on a device, wherever its SDK runs. */
export interface Installed {
  check(): Promise<Checked>;
  /** Gives the package's bytes. */
  download(update: Update): Promise<Uint8Array>;
}

/** A device that has nothing yet. */
export interface TestDevice {
  /** The app in this version, which believes what `pinned` signs. */
  at(version: string, client: DeliveryClient, pinned: Uint8Array): Installed;
  /** What it keeps. */
  names(): Promise<readonly string[]>;
  /** Forgets what it has seen. */
  forget(): Promise<void>;
  /** Bytes that may be under way to it when it takes no more. */
  readonly underWay: number;
}

const newKey = (role: string): SigningKey => {
  const secret = channelCrypto.randomBytes(32);
  const publicKey = channelCrypto.ed25519PublicKey(secret);
  return { role, secret, publicKey, keyId: tufKeyId(publicKey) };
};

/** A catalogue in memory: signed as the tier signs, asked as the SDK asks, and changed as an attacker likes. */
export class Catalogue {
  readonly identity = channelCrypto.randomBytes(32);
  keys = new Map([...topRoles, `app.${appId}`].map((role) => [role, [newKey(role)]]));
  readonly packages = new Map<string, Buffer>();
  readonly files = new Map<string, Buffer>();
  newest = new Map<string, Published>();
  targets: Target[] = [];
  offered = '';
  asked: string[] = [];

  add(version: string, body: Buffer, more: Readonly<Record<string, boolean>> = {}): void {
    const sha256 = createHash('sha256').update(body).digest();
    const path = targetPath({ appId, platform: 'android', version });
    const custom = { version, platform: 'android', notes: `what ${version} brings`, ...more };
    this.targets = [
      ...this.targets.filter((t) => t.path !== path),
      { path, length: body.length, sha256, custom },
    ];
    this.packages.set(sha256.toString('hex'), body);
  }

  /** What devices pinned. */
  get pinned(): Uint8Array {
    return identityDigest(channelCrypto, channelCrypto.ed25519PublicKey(this.identity));
  }

  publish(nowMs = Date.now(), retiredRootKeys: readonly SigningKey[] = []): void {
    const targets = new Map([[appId, this.targets]]);
    for (const made of nextMetadata(this.newest, { targets, keys: this.keys, retiredRootKeys, nowMs })) {
      this.newest.set(made.role, made);
      this.files.set(`${made.role} ${made.version}`, made.body);
    }
  }

  readonly client: DeliveryClient = {
    check: async () => ({ version: this.offered, mandatory: false }),
    metadata: async (role, version) => {
      this.asked.push(`${role} ${version}`);
      const body = version === 0 ? this.newest.get(role)?.body : this.files.get(`${role} ${version}`);
      if (body === undefined) throw new SallyportError('NOT_FOUND');
      return {
        body,
        identityKey: channelCrypto.ed25519PublicKey(this.identity),
        identitySignature: channelCrypto.ed25519Sign(this.identity, labelled(labels.catalogueRoot, body)),
      };
    },
    read: async (sha256, offset, take) => {
      const body = this.packages.get(Buffer.from(sha256).toString('hex')) ?? assert.fail();
      for (let at = offset; at < body.length; at += 1000) await take(body.subarray(at, at + 1000));
    },
    report: async () => undefined,
  };
}

interface Attacked {
  readonly catalogue: Catalogue;
  readonly device: TestDevice;
  /** The device's app, which believes the catalogue's identity. */
  at(installed: string, client?: DeliveryClient): Installed;
  readonly v2: Buffer;
}

async function refuses(
  what: Promise<unknown>,
  message: RegExp,
  reason: ErrorReason = 'UPDATE_UNTRUSTED',
): Promise<void> {
  await assert.rejects(what, (error: unknown) => {
    const { reason: told, message: text } = SallyportError.from(error);
    assert.deepEqual([told, message.test(text)], [reason, true], text);
    return true;
  });
}

/** Makes an attack on a device, and sees it refused. */
export async function attacked(name: string, device: TestDevice): Promise<void> {
  const catalogue = new Catalogue();
  const v2 = randomBytes(5500);
  catalogue.add('1.0', randomBytes(3000));
  catalogue.add('2.0', v2);
  catalogue.publish();
  catalogue.offered = '2.0';
  const at = (installed: string, client = catalogue.client) => device.at(installed, client, catalogue.pinned);
  await attacks[name]?.({ catalogue, device, at, v2 });
}

/** What any SDK refuses of a catalogue that somebody tampers with, and takes of one that nobody does. */
export const attacks: Readonly<Record<string, (on: Attacked) => Promise<void>>> = {
  'are found, downloaded and verified when nobody does': async ({ catalogue, at, v2 }) => {
    const updates = at('1.0');
    const { update } = await updates.check();
    assert.deepEqual([update?.version, update?.length, update?.notes], ['2.0', 5500, 'what 2.0 brings']);
    assert.ok(v2.equals(await updates.download(update ?? assert.fail())));
    catalogue.offered = '';
    assert.equal((await at('2.0').check()).update, undefined);
  },

  'rollback: neither older metadata nor an older release is taken': async ({ catalogue, at }) => {
    const old = new Map(catalogue.newest);
    catalogue.add('3.0', randomBytes(10));
    catalogue.publish();
    await at('1.0').check();
    catalogue.newest = old;
    await refuses(at('1.0').check(), /version/i);
  },

  'rollback: an older release only when the installed one was withdrawn, by signature': async ({
    catalogue,
    at,
    v2,
  }) => {
    catalogue.offered = '1.0';
    await refuses(at('2.0').check(), /1\.0 is no newer than 2\.0/);
    catalogue.add('2.0', v2, { withdrawn: true });
    catalogue.publish();
    assert.equal((await at('2.0').check()).update?.version, '1.0');
    catalogue.offered = '2.0';
    await refuses(at('1.0').check(), /2\.0 was withdrawn/);
  },

  'freeze: metadata that has run out is refused, even if nothing new is offered': async ({
    catalogue,
    at,
  }) => {
    const frozen = new Catalogue();
    Object.assign(frozen, { identity: catalogue.identity });
    frozen.add('1.0', randomBytes(10));
    frozen.publish(Date.now() - 2 * day);
    await refuses(at('1.0', frozen.client).check(), /expired/i);
  },

  'mix and match: files of different times do not go together': async ({ catalogue, at }) => {
    const { body: oldTargets } = catalogue.newest.get(`app.${appId}`) ?? assert.fail();
    const { body: oldSnapshot } = catalogue.newest.get('snapshot') ?? assert.fail();
    catalogue.add('3.0', randomBytes(10));
    catalogue.publish();
    const files = new Map(catalogue.files);
    catalogue.files.set(`snapshot ${catalogue.newest.get('snapshot')?.version}`, oldSnapshot);
    await refuses(at('1.0').check(), /snapshot/i);
    for (const [name, body] of files) catalogue.files.set(name, body);
    catalogue.files.set(`app.${appId} ${catalogue.newest.get(`app.${appId}`)?.version}`, oldTargets);
    await refuses(at('1.0').check(), /version/i);
  },

  'endless data: no more is taken than was signed': async ({ catalogue, device, at, v2 }) => {
    let sent = 0;
    const endless: DeliveryClient = {
      ...catalogue.client,
      read: async (_sha256, _offset, take) => {
        for (;;) {
          await take(v2.subarray(0, 1000));
          sent += 1000;
        }
      },
    };
    const updates = at('1.0', endless);
    const { update } = await updates.check();
    await refuses(updates.download(update ?? assert.fail()), /more than was signed/);
    assert.ok(sent <= v2.length + device.underWay, `${sent}`);
    const metadata: DeliveryClient['metadata'] = async (role, version) => ({
      ...(await catalogue.client.metadata(role, version)),
      ...(role === 'timestamp' && { body: Buffer.alloc(17_000, 32) }),
    });
    await refuses(at('1.0', { ...catalogue.client, metadata }).check(), /more than 16384 bytes/);
  },

  'other bytes are refused and thrown away; a download that stopped goes on': async ({
    catalogue,
    device,
    at,
    v2,
  }) => {
    const updates = at('1.0');
    const { update = assert.fail() } = await updates.check();
    const right = catalogue.packages.get(update.package.sha256) ?? assert.fail();
    catalogue.packages.set(update.package.sha256, randomBytes(right.length));
    await refuses(updates.download(update), /not the one that was signed/);
    assert.deepEqual(
      (await device.names()).filter((name) => !name.startsWith('metadata/')),
      [],
    );
    catalogue.packages.set(update.package.sha256, right.subarray(0, 2000));
    await refuses(updates.download(update), /2000 of 5500/);
    catalogue.packages.set(update.package.sha256, right);
    const offsets: number[] = [];
    const client: DeliveryClient = {
      ...catalogue.client,
      read: (sha256, offset, ...rest) => {
        offsets.push(offset);
        return catalogue.client.read(sha256, offset, ...rest);
      },
    };
    assert.ok(v2.equals(await at('1.0', client).download(update)));
    assert.deepEqual(offsets, [2000]);
  },

  'wrong key: of a role, of the root, of the identity': async ({ catalogue, device, at }) => {
    const right = catalogue.keys;
    catalogue.keys = new Map([...right, ['timestamp', [newKey('timestamp')]]]);
    const { root } = Object.fromEntries(catalogue.newest);
    catalogue.add('3.0', randomBytes(10));
    catalogue.publish();
    // The attacker has no root key, so the root that names his key is not there.
    for (const name of [...catalogue.files.keys()])
      if (name !== 'root 1' && name.startsWith('root ')) catalogue.files.delete(name);
    catalogue.newest.set('root', root ?? assert.fail());
    await refuses(at('1.0').check(), /timestamp/);

    await device.forget();
    const stranger = new Catalogue();
    stranger.add('9.0', randomBytes(10));
    stranger.publish();
    await refuses(at('1.0', stranger.client).check(), /not signed by the tier/, 'UNTRUSTED_SERVER');
  },

  'keys are rotated: by a root that the one before has signed, and by no other': async ({
    catalogue,
    at,
  }) => {
    await at('1.0').check();
    const [former = assert.fail()] = catalogue.keys.get('root') ?? [];
    catalogue.keys.set('root', [newKey('root')]);
    catalogue.keys.set('snapshot', [newKey('snapshot')]);
    catalogue.publish(Date.now(), [former]);
    catalogue.add('3.0', randomBytes(10));
    catalogue.offered = '3.0';
    catalogue.publish();
    assert.equal((await at('1.0').check()).update?.version, '3.0');
    // A root by its new key alone.
    catalogue.keys.set('root', [newKey('root')]);
    catalogue.publish();
    await refuses(at('1.0').check(), /root/);
  },

  "are the app's own: another app's key signs nothing of this one": async ({ catalogue, at }) => {
    const before = catalogue.newest.get('targets')?.body.toString() ?? '';
    assert.match(before, /"paths":\["com\.example\.field\/\*\/\*"\],?/);
    catalogue.keys.set(`app.${appId}`, [newKey(`app.${appId}`)]);
    const [files, newest] = [new Map(catalogue.files), new Map(catalogue.newest)];
    catalogue.publish();
    const forged = catalogue.newest.get(`app.${appId}`) ?? assert.fail();
    catalogue.newest = newest;
    catalogue.files.clear();
    for (const [name, body] of files) catalogue.files.set(name, body);
    catalogue.files.set(`app.${appId} 1`, forged.body);
    await refuses(at('1.0').check(), /app\.com\.example\.field/);
  },

  'that the catalogue cannot be reached is no attack': async ({ catalogue, at }) => {
    const gone = async (role: string, version: number) => {
      if (role === 'snapshot') throw new SallyportError('UNAVAILABLE');
      return catalogue.client.metadata(role, version);
    };
    await refuses(at('1.0', { ...catalogue.client, metadata: gone }).check(), /./, 'UNAVAILABLE');
  },
};
