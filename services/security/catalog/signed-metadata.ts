import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  Key,
  Metadata,
  MetaFile,
  Root,
  Signature,
  Snapshot,
  TargetFile,
  Targets,
  Timestamp,
} from '@tufjs/models';
import { appPaths, appRole } from '#core/catalog/target-path.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';

/** A key that signs for one role. */
export interface SigningKey {
  /** SHA-256 of the public key in TUF's form, hexadecimal. */
  readonly keyId: string;
  readonly role: string;
  /** Ed25519. */
  readonly publicKey: Uint8Array;
  readonly secret: Uint8Array;
}

/** A version of a role's metadata. */
export interface Published {
  readonly role: string;
  readonly version: number;
  readonly expiresMs: number;
  /** As signed. */
  readonly body: Buffer;
}

/** A package or delta that is to be in the metadata. */
export interface Target {
  readonly path: string;
  readonly length: number;
  readonly sha256: Uint8Array;
  readonly custom: Readonly<Record<string, string | boolean>>;
}

export interface Wanted {
  readonly targets: ReadonlyMap<string, readonly Target[]>;
  /** By role: the keys that sign it. Of the root also keys that only the version before names. */
  readonly keys: ReadonlyMap<string, readonly SigningKey[]>;
  readonly retiredRootKeys: readonly SigningKey[];
  readonly nowMs: number;
}

export const topRoles = ['root', 'targets', 'snapshot', 'timestamp'] as const;

const day = 86_400_000;
/** Milliseconds for which a version is good; the next one is made when half of it is over. */
const livesMs = { root: 365 * day, targets: 90 * day, snapshot: 7 * day, timestamp: day };

/**
 * What has to be published so that the newest version of every role says what is wanted, is signed by the keys that
 * are in use, and has at least half of its time left (TUF 1.0, consistent snapshots).
 */
export function nextMetadata(before: ReadonlyMap<string, Published>, wanted: Wanted): Published[] {
  const { keys, nowMs } = wanted;
  const now = new Map(before);
  const made: Published[] = [];
  const keysOf = (role: string): readonly SigningKey[] => keys.get(role) ?? [];
  const renew = (
    role: string,
    lifeMs: number,
    make: (common: Common) => Signed,
    signers: readonly SigningKey[] = keysOf(role),
  ): void => {
    const last = before.get(role);
    const next = renewed(last, { role, nowMs, lifeMs, make, signers });
    if (next === undefined) return;
    made.push(next);
    now.set(role, next);
  };
  const versionOf = (role: string): number => now.get(role)?.version ?? 0;

  const lastRoot = before.get('root');
  const formerKeys = lastRoot === undefined ? [] : rootKeyIds(lastRoot);
  renew('root', livesMs.root, (common) => rootOf(common, keysOf), [
    ...keysOf('root'),
    // Whoever trusts the version before must find its signature, too.
    ...wanted.retiredRootKeys.filter(({ keyId }) => formerKeys.includes(keyId)),
  ]);
  const apps = [...wanted.targets.keys()].sort();
  for (const app of apps) {
    renew(
      appRole(app),
      livesMs.targets,
      (common) => new Targets({ ...common, targets: filesOf(wanted.targets.get(app) ?? []) }),
    );
  }
  renew('targets', livesMs.targets, (common) => delegating(common, apps, keysOf));
  renew('snapshot', livesMs.snapshot, (common) => {
    const roles = ['targets', ...apps.map(appRole)];
    const meta = roles.map((role) => [`${role}.json`, new MetaFile({ version: versionOf(role) })] as const);
    return new Snapshot({ ...common, meta: Object.fromEntries(meta) });
  });
  renew('timestamp', livesMs.timestamp, (common) => {
    const { version, body } = now.get('snapshot') ?? { version: 0, body: Buffer.alloc(0) };
    const hashes = { sha256: createHash('sha256').update(body).digest('hex') };
    return new Timestamp({ ...common, snapshotMeta: new MetaFile({ version, length: body.length, hashes }) });
  });
  return made;
}

/** The id that TUF gives a key. */
export function tufKeyId(publicKey: Uint8Array): string {
  // Canonical JSON: keys sorted, no white space.
  const { keytype, keyval, scheme } = tufKey(publicKey, '').toJSON();
  return createHash('sha256').update(JSON.stringify({ keytype, keyval, scheme })).digest('hex');
}

type Signed = Root | Targets | Snapshot | Timestamp;
interface Common {
  readonly version: number;
  readonly specVersion: string;
  readonly expires: string;
}

function renewed(
  last: Published | undefined,
  next: {
    readonly role: string;
    readonly nowMs: number;
    readonly lifeMs: number;
    readonly make: (common: Common) => Signed;
    readonly signers: readonly SigningKey[];
  },
): Published | undefined {
  const { role, nowMs, lifeMs, signers } = next;
  const expiresMs = Math.floor((nowMs + lifeMs) / 1000) * 1000;
  const expires = `${new Date(expiresMs).toISOString().slice(0, 19)}Z`;
  const version = (last?.version ?? 0) + 1;
  const signed = next.make({ version, specVersion: '1.0.31', expires });
  if (last !== undefined && nowMs < last.expiresMs - lifeMs / 2 && same(last, signed, signers))
    return undefined;
  const metadata = new Metadata(signed);
  for (const key of signers) {
    metadata.sign((data) => {
      const sig = Buffer.from(channelCrypto.ed25519Sign(key.secret, data)).toString('hex');
      return new Signature({ keyID: key.keyId, sig });
    });
  }
  return { role, version, expiresMs, body: Buffer.from(JSON.stringify(metadata.toJSON())) };
}

function same({ body, role }: Published, signed: Signed, signers: readonly SigningKey[]): boolean {
  const last = JSON.parse(body.toString()) as { signed: object; signatures: { keyid: string }[] };
  const said = (from: object): object => ({ ...from, version: 0, expires: '' });
  if (!isDeepStrictEqual(said(last.signed), said(JSON.parse(JSON.stringify(signed.toJSON())) as object)))
    return false;
  // The keys of a root stand in it.
  const ids = new Set(last.signatures.map(({ keyid }) => keyid));
  return role === 'root' || signers.every(({ keyId }) => ids.has(keyId));
}

function rootOf(common: Common, keysOf: (role: string) => readonly SigningKey[]): Root {
  const root = new Root({ ...common, consistentSnapshot: true });
  for (const role of topRoles)
    for (const key of keysOf(role)) root.addKey(tufKey(key.publicKey, key.keyId), role);
  return root;
}

function rootKeyIds({ body }: Published): readonly string[] {
  const { signed } = JSON.parse(body.toString()) as { signed: { roles: { root: { keyids: string[] } } } };
  return signed.roles.root.keyids;
}

function delegating(
  common: Common,
  apps: readonly string[],
  keysOf: (role: string) => readonly SigningKey[],
): Targets {
  const keys = apps.flatMap((app) => keysOf(appRole(app)));
  return Targets.fromJSON({
    _type: 'targets',
    spec_version: common.specVersion,
    version: common.version,
    expires: common.expires,
    targets: {},
    delegations: {
      keys: Object.fromEntries(
        keys.map(({ keyId, publicKey }) => [keyId, tufKey(publicKey, keyId).toJSON()]),
      ),
      roles: apps.map((app) => ({
        name: appRole(app),
        keyids: keysOf(appRole(app)).map(({ keyId }) => keyId),
        threshold: 1,
        terminating: true,
        paths: [appPaths(app)],
      })),
    },
  });
}

const filesOf = (targets: readonly Target[]): Record<string, TargetFile> =>
  Object.fromEntries(
    targets.map(({ path, length, sha256, custom }) => [
      path,
      new TargetFile({
        path,
        length,
        hashes: { sha256: Buffer.from(sha256).toString('hex') },
        unrecognizedFields: { custom: { ...custom } },
      }),
    ]),
  );

const tufKey = (publicKey: Uint8Array, keyID: string): Key =>
  new Key({
    keyID,
    keyType: 'ed25519',
    scheme: 'ed25519',
    keyVal: { public: Buffer.from(publicKey).toString('hex') },
  });
