import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { targetPath } from '#core/catalog/target-path.ts';
import { labelled } from '#core/channel/bytes.ts';
import { labels } from '#core/channel/constants.ts';
import { identityDigest } from '#core/channel/server-keys.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { defaultPlatform } from '#sdk/platform.ts';
import type { DeliveryClient } from '#sdk/updates/delivery-client.ts';
import { Updates } from '#sdk/updates/updates.ts';
import {
  nextMetadata,
  type Published,
  type SigningKey,
  type Target,
  topRoles,
  tufKeyId,
} from './signed-metadata.ts';

const appId = 'com.example.field';
const day = 86_400_000;

const newKey = (role: string): SigningKey => {
  const secret = channelCrypto.randomBytes(32);
  const publicKey = channelCrypto.ed25519PublicKey(secret);
  return { role, secret, publicKey, keyId: tufKeyId(publicKey) };
};

/** A catalogue in memory: signed as the tier signs, asked as the SDK asks, and changed as an attacker likes. */
class Catalogue {
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

describe('updates that somebody tampers with', () => {
  let dir: string;
  let catalogue: Catalogue;
  const v2 = randomBytes(5500);

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sp-updates-'));
    catalogue = new Catalogue();
    catalogue.add('1.0', randomBytes(3000));
    catalogue.add('2.0', v2);
    catalogue.publish();
    catalogue.offered = '2.0';
  });
  afterEach(() => rm(dir, { recursive: true }));

  const at = (installed: string, client: DeliveryClient = catalogue.client): Updates => {
    const pinned = identityDigest(channelCrypto, channelCrypto.ed25519PublicKey(catalogue.identity));
    const delivery = {
      edges: assert.fail as never,
      platform: defaultPlatform,
      app: { platform: 'Android', appId, version: installed },
      enrolment: () => ({ identityDigest: pinned }) as never,
      tierNow: () => Date.now(),
    };
    return new Updates({ delivery }, { dir }, client);
  };
  const refuses = async (
    what: Promise<unknown>,
    message: RegExp,
    reason: ErrorReason = 'UPDATE_UNTRUSTED',
  ) => {
    await assert.rejects(what, (error: unknown) => {
      const { reason: told, message: text } = SallyportError.from(error);
      assert.deepEqual([told, message.test(text)], [reason, true], text);
      return true;
    });
  };

  it('are found, downloaded and verified when nobody does', async () => {
    const updates = at('1.0');
    const { update } = await updates.check();
    assert.deepEqual([update?.version, update?.length, update?.notes], ['2.0', 5500, 'what 2.0 brings']);
    const path = await updates.download(update ?? assert.fail());
    assert.ok((await readFile(path)).equals(v2));
    catalogue.offered = '';
    assert.equal((await at('2.0').check()).update, undefined);
  });

  it('rollback: neither older metadata nor an older release is taken', async () => {
    const old = new Map(catalogue.newest);
    catalogue.add('3.0', randomBytes(10));
    catalogue.publish();
    await at('1.0').check();
    catalogue.newest = old;
    await refuses(at('1.0').check(), /version/i);
  });

  it('rollback: an older release only when the installed one was withdrawn, by signature', async () => {
    catalogue.offered = '1.0';
    await refuses(at('2.0').check(), /1\.0 is no newer than 2\.0/);
    catalogue.add('2.0', v2, { withdrawn: true });
    catalogue.publish();
    assert.equal((await at('2.0').check()).update?.version, '1.0');
    catalogue.offered = '2.0';
    await refuses(at('1.0').check(), /2\.0 was withdrawn/);
  });

  it('freeze: metadata that has run out is refused, even if nothing new is offered', async () => {
    const frozen = new Catalogue();
    Object.assign(frozen, { identity: catalogue.identity });
    frozen.add('1.0', randomBytes(10));
    frozen.publish(Date.now() - 2 * day);
    await refuses(at('1.0', frozen.client).check(), /expired/i);
  });

  it('mix and match: files of different times do not go together', async () => {
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
  });

  it('endless data: no more is taken than was signed', async () => {
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
    assert.ok(sent <= v2.length);
    const metadata: DeliveryClient['metadata'] = async (role, version) => ({
      ...(await catalogue.client.metadata(role, version)),
      ...(role === 'timestamp' && { body: Buffer.alloc(17_000, 32) }),
    });
    await refuses(at('1.0', { ...catalogue.client, metadata }).check(), /more than 16384 bytes/);
  });

  it('other bytes are refused and thrown away; a download that stopped goes on', async () => {
    const updates = at('1.0');
    const { update = assert.fail() } = await updates.check();
    const right = catalogue.packages.get(update.package.sha256) ?? assert.fail();
    catalogue.packages.set(update.package.sha256, randomBytes(right.length));
    await refuses(updates.download(update), /not the one that was signed/);
    assert.deepEqual(await readdir(dir), ['metadata']);
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
    assert.ok((await readFile(await at('1.0', client).download(update))).equals(v2));
    assert.deepEqual(offsets, [2000]);
  });

  it('wrong key: of a role, of the root, of the identity', async () => {
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

    await rm(join(dir, 'metadata'), { recursive: true });
    const stranger = new Catalogue();
    stranger.add('9.0', randomBytes(10));
    stranger.publish();
    await refuses(at('1.0', stranger.client).check(), /not signed by the tier/, 'UNTRUSTED_SERVER');
  });

  it('keys are rotated: by a root that the one before has signed, and by no other', async () => {
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
  });

  it("are the app's own: another app's key signs nothing of this one", async () => {
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
  });

  it('that the catalogue cannot be reached is no attack', async () => {
    const gone = async (role: string, version: number) => {
      if (role === 'snapshot') throw new SallyportError('UNAVAILABLE');
      return catalogue.client.metadata(role, version);
    };
    await refuses(at('1.0', { ...catalogue.client, metadata: gone }).check(), /./, 'UNAVAILABLE');
  });
});
